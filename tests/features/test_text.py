from __future__ import annotations

import unicodedata
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emotion_tfx.features import lexicon
from emotion_tfx.features.text import (
    ELONGATED,
    SUBWORDS,
    TextSteps,
    expand_contractions,
    fold_characters,
    replace_emoticons,
    replace_markup,
    shorten_elongation,
    split_words,
    subword_ids,
    tokenize,
)

from .conftest import rows_of

TokenRows = Callable[..., list[list[str]]]


def plain(result: tf.Tensor) -> str:
    """The one string of a tensor, with single spaces."""
    return " ".join(result.numpy()[0].decode().split())


def fold(text: str | bytes, *, case_folding: bool = True) -> str:
    encoded = text.encode() if isinstance(text, str) else text
    return fold_characters(tf.constant([encoded]), case_folding=case_folding).numpy()[0].decode()


def words(sparse: tf.SparseTensor) -> list[list[str]]:
    return [[token.decode() for token in row] for row in rows_of(sparse)]


def folded_by_nfkc(character: str) -> str:
    if character in "ʼ":
        return "'"
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", character)).casefold()
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = unicodedata.normalize("NFKC", plain)
    return plain if len(plain) < 2 or plain.isalnum() else " "


def split(text: str, *, emoji: bool = True) -> list[str]:
    return words(split_words(tf.constant([text]), emoji=emoji))[0]


def tokens(text: str | bytes, **switches: bool) -> list[str]:
    return words(tokenize(tf.constant([text]), TextSteps(**switches)))[0]


class TestCharacters:
    @pytest.mark.parametrize(
        ("text", "folded"),
        [
            ("HaPPy", "happy"),
            ("ÉCOLE", "ecole"),
            ("ＨＡＰＰＹ　ｄａｙ", "happy day"),  # full-width
            ("𝓱𝓪𝓹𝓹𝔂 𝐇𝐀𝐏𝐏𝐘 𝕳𝖆𝖕𝖕𝖞", "happy happy happy"),  # styled
            ("ⓗⓐⓟⓟⓨ", "happy"),  # in circles
            ("café naïve", "cafe naive"),
            ("cafe\u0301", "cafe"),  # the accent as a character of its own
            ("h\u0336a\u0336p\u0336p\u0336y\u0336", "happy"),  # struck through
            ("İstanbul Σ", "istanbul σ"),
            ("I’m ‘so’ dont´", "i'm 'so' dont'"),
            ("hap\u200bpy\ufeff\u200d", "happy"),  # zero width
            ("soft\u00adhyphen", "softhyphen"),
            ("👍🏽 👋🏿", "👍 👋"),  # skin tones
            ("❤️", "❤"),  # the mark that asks for a coloured picture
            ("a\u00a0b\u2003c\u2028d", "a b c d"),  # other spaces
            ("a\tb\nc\x00d\x07e\x85f", "a b c d e f"),  # control characters
            ("a\ufffdb", "a b"),
            ("a\ue000b\U00012fffb", "a b b"),  # private and unassigned
            ("x²", "x2"),
            ("ﬁne ﬂying oﬀ oﬃce raﬄe", "fine flying off office raffle"),  # ligatures
            ("Straße Ⅷ ⑩", "strasse viii 10"),
            ("½ ⑴ ﬁ½", "    fi "),  # more than letters and digits
            ("행복", "행복"),
            ("wait…", "wait "),
            ("𠀀", " "),  # beyond the characters of English texts
            ("", ""),
        ],
    )
    def test_characters_become_plain_ones(self, text: str, folded: str):
        assert fold(text) == folded

    @pytest.mark.parametrize(
        ("text", "folded"),
        [
            (b"sad\xff\xfeday", "sad  day"),
            (b"\xc3", " "),  # cut off
            (b"ok\xc0\x80", "ok  "),  # an overlong form of the character 0
            (b"\xed\xa0\x80sad", "   sad"),  # half of a surrogate pair
        ],
    )
    def test_invalid_utf_8_becomes_spaces(self, text: bytes, folded: str):
        assert fold(text).split() == folded.split()

    def test_case_may_stay(self):
        assert fold("HaPPy ＤＡＹ Café", case_folding=False) == "HaPPy DAY Cafe"
        assert fold("ﬁne Straße Ⅷ", case_folding=False) == "fine Straße VIII"

    @given(st.lists(st.text(st.characters(categories=("L", "N"), max_codepoint=0x1FFFF))))
    def test_letters_and_digits_become_what_nfkc_case_folding_makes_of_them(self, texts: list[str]):
        """Accents aside; several texts, for each must get its own characters."""

        def expected(text: str) -> str:
            return "".join(map(folded_by_nfkc, text))

        folded = fold_characters(tf.constant([text.encode() for text in texts], tf.string))
        assert [text.decode() for text in folded.numpy()] == [expected(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("see https://example.org/a?b=1#c now", "see xxurl now"),
        ("http://example.org", "xxurl"),
        ("www.example.org rocks", "xxurl rocks"),
        ("@ann_2 hi (@bob), @cy", "xxuser hi ( xxuser ), xxuser"),
        ("me@example.org", "me@example.org"),
        ("#happy #so_sad", "happy so_sad"),
        ("# 1", "# 1"),
        ("<b>so</b> sad<br/><br />", "so sad"),
        ('<a href="x.html" class=y>here</a>', "here"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("i &lt;3 you", "i <3 you"),
        ("&quot;you&quot; &amp; me &gt; all", '"you" and me > all'),
        ("don&#39;t don&#x27;t don&apos;t don&rsquo;t don&#8217;t", " ".join(["don't"] * 5)),
        ("so&nbsp;sad&#xa;&#128512;now", "so sad now"),
    ],
)
def test_markup_is_replaced(text: str, replaced: str):
    assert plain(replace_markup(tf.constant([text]))) == replaced


@pytest.mark.parametrize(
    ("shortened", "full"),
    [
        ("don't dont don t", "do not do not do not"),
        ("can't cant cannot can t", "can not can not can not can not"),
        ("won't wont won t", "will not will not will not"),
        ("ain't shan't", "is not shall not"),
        ("isn't wasnt doesn't didnt", "is not was not does not did not"),
        ("couldn't shouldnt haven't hadnt", "could not should not have not had not"),
        ("i'm im", "i am i am"),
        ("i've ive they've", "i have i have they have"),
        ("you're youre they're theyre we're", "you are you are they are they are we are"),
        ("i'll she'll", "i will she will"),
        ("he'd", "he would"),
        ("it's mum's", "it mum"),
        ("gonna wanna gotta", "going to want to got to"),
    ],
)
def test_contractions_are_written_out(shortened: str, full: str):
    assert plain(expand_contractions(tf.constant([shortened]))) == full


@pytest.mark.parametrize(
    "text", ["were well hell shell", "font donut important", "want tim dim", "idea shed led", "not"]
)
def test_words_that_only_look_like_contractions_stay(text: str):
    assert plain(expand_contractions(tf.constant([text]))) == text


@pytest.mark.parametrize(
    ("emoticons", "emoji"),
    [
        (":) :-) =) :)) (: ^_^ ^__^", "🙂"),
        (":( :-( =( :[ :((", "🙁"),
        (":'( ;'( t_t ;_;", "😢"),
        (":d :-d =d xd xdd", "😄"),
        (";) ;-)", "😉"),
        (":p :-p =p", "😛"),
        (":o :-o :0 :oo", "😮"),
        (":/ :-/ =/ :| :\\", "😕"),
        (">:( >:-(", "😠"),
        ("-_- -__-", "😑"),
        ("<3 <33", "❤"),
        ("</3", "💔"),
    ],
)
def test_emoticons_become_emoji_alone_and_in_a_row(emoticons: str, emoji: str):
    for emoticon in emoticons.split():
        assert plain(replace_emoticons(tf.constant([emoticon]))) == emoji, emoticon
        assert plain(replace_emoticons(tf.constant([f"so {emoticon} ok"]))) == f"so {emoji} ok"
    in_a_row = plain(replace_emoticons(tf.constant([emoticons])))
    assert in_a_row == " ".join([emoji] * len(emoticons.split()))


@pytest.mark.parametrize(
    ("text", "replaced"),
    [("thanks:)", "thanks 🙂"), ("no:(", "no 🙁"), ("love<3you", "love ❤ you")],
)
def test_emoticons_may_touch_words(text: str, replaced: str):
    assert plain(replace_emoticons(tf.constant([text]))) == replaced


@pytest.mark.parametrize(
    "text", ["note: do this", "at 10:05", "me:please", "a/b", "exd", "1 < 3", "well-known", "x d"]
)
def test_words_that_only_look_like_emoticons_stay(text: str):
    assert plain(replace_emoticons(tf.constant([text]))) == text


class TestSplitting:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("so happy", ["so", "happy"]),
            ("  so \t happy ", ["so", "happy"]),
            ("well-known, i'd say (yes).", ["well", "known", ",", "id", "say", "yes"]),
            ("no, i love it.", ["no", ",", "i", "love", "it"]),
            ("it rained (a lot); we ran ...", ["it", "rained", "a", "lot", ",", "we", "ran"]),
            ("at 3.30, e.g. now", ["at", "xxnumber", "xxnumber", ",", "e", "g", ",", "now"]),
            ("why?! no!!", ["why", "?", "!", "no", "!", "!"]),
            ("so_sad", ["so", "sad"]),
            ("😢😢ok", ["😢", "😢", "ok"]),
            ("❤ it", ["❤", "it"]),
            ("7 days, 24 hours", ["xxnumber", "days", ",", "xxnumber", "hours"]),
            ("2nd b4", ["2nd", "b4"]),
            ("größe ёлка", ["größe", "ёлка"]),
            ("... -- ''", []),
            ("", []),
        ],
    )
    def test_words_emoji_and_marks_that_carry_feeling_are_tokens(
        self, text: str, expected: list[str]
    ):
        assert split(text) == expected

    def test_emoji_may_be_dropped(self):
        assert split("so 😢 sad❤!", emoji=False) == ["so", "sad", "!"]

    def test_rows_are_packed_to_the_left(self):
        sparse = split_words(tf.constant([" , a b", "", "c"]))
        assert words(sparse) == [["a", "b"], [], ["c"]]
        assert sparse.indices.numpy().tolist() == [[0, 0], [0, 1], [2, 0]]
        assert sparse.dense_shape.numpy().tolist() == [3, 2]

    def test_a_batch_may_be_empty(self):
        assert words(split_words(tf.constant([], tf.string))) == []


class TestElongation:
    @pytest.mark.parametrize(
        ("word", "two", "one"),
        [
            ("sooo", "soo", "so"),
            ("cooool", "cool", "col"),
            ("happyyyy", "happyy", "happy"),
            ("goodddd", "goodd", "good"),
            ("aaahhh", "aahh", "ah"),
            ("mmm", "mm", "m"),
            ("good", "good", "good"),
            ("aabbaabb", "aabbaabb", "aabbaabb"),
            ("ааа", "аа", "а"),  # Cyrillic
            ("", "", ""),
        ],
    )
    def test_long_runs_of_a_letter_are_cut_to_two_and_to_one(self, word: str, two: str, one: str):
        shortened = shorten_elongation(tf.constant([word]))
        assert [each.numpy()[0].decode() for each in shortened] == [two, one]

    def test_a_run_never_reaches_into_the_next_word(self):
        two, one = shorten_elongation(tf.constant(["so", "oo", "o", "ooo"]))
        assert [w.decode() for w in two.numpy()] == ["so", "oo", "o", "oo"]
        assert [w.decode() for w in one.numpy()] == ["so", "oo", "o", "o"]

    def test_there_may_be_no_words(self):
        two, one = shorten_elongation(tf.constant([], tf.string))
        assert (two.shape, one.shape) == ((0,), (0,))

    @pytest.mark.parametrize(
        ("word", "elongated"),
        [("sooo", True), ("aaargh", True), ("good", False), ("bookoo", False)],
    )
    def test_three_equal_letters_make_a_word_elongated(self, word: str, elongated: bool):
        assert bool(tf.strings.regex_full_match(word, ELONGATED)) == elongated


class TestSubwords:
    def test_each_kind_has_a_range_of_ids_of_its_own(self):
        ids = subword_ids(tf.constant(["happy", "a", "", "ёлка", "😢"]), 100).numpy()
        assert ids.shape == (5, len(SUBWORDS))
        assert (ids // 100 == np.arange(len(SUBWORDS))).all()

    def test_words_that_begin_or_end_alike_share_ids(self):
        devastated, devastating, elated = subword_ids(
            tf.constant(["devastated", "devastating", "elated"]), 4_000
        ).numpy()
        assert (devastated == devastating).tolist() == [True, True, False, False]
        assert (devastated == elated).tolist() == [False, False, True, True]

    def test_a_short_word_is_not_the_beginning_of_a_longer_one(self):
        so, song = subword_ids(tf.constant(["so", "song"]), 4_000).numpy()
        assert (so != song).all()


class TestStopWords:
    @pytest.mark.parametrize(
        "kept",
        [
            "no not nor never none nobody nothing nowhere neither without cannot hardly barely",
            "so too very really much more most just only quite rather extremely such how",
            "but however although though yet",
            "i me my mine myself you your yours yourself he him his she her hers we us our ours "
            "they them their theirs someone everyone who",
            "feel feels feeling felt",
            "do does did have has had was were will would can could should may might must",
        ],
        ids=["negations", "intensifiers", "contrast", "people", "feel", "verbs"],
    )
    def test_words_that_change_the_emotion_stay(self, kept: str):
        assert not set(kept.split()) & set(lexicon.STOP_WORDS)

    def test_none_occurs_twice(self):
        assert len(set(lexicon.STOP_WORDS)) == len(lexicon.STOP_WORDS)

    def test_the_graph_can_meet_each_of_them(self):
        assert split(" ".join(lexicon.STOP_WORDS)) == list(lexicon.STOP_WORDS)


class TestLexicon:
    def test_each_emoji_with_a_word_is_one_token(self):
        for emoji in lexicon.EMOJI_WORDS:
            assert tokens(emoji) == [emoji]

    def test_emoticons_become_only_emoji_with_a_word(self):
        made = {rewrite.strip() for _, rewrite in lexicon.EMOTICON_RULES}
        assert made <= set(lexicon.EMOJI_WORDS)

    def test_stand_ins_are_single_tokens(self):
        for token in (lexicon.URL_TOKEN, lexicon.USER_TOKEN, lexicon.NUMBER_TOKEN):
            assert tokens(token) == [token]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm SOOO happy!!! :D", ["i", "am", "sooo", "happy", "!", "!", "!", "😄"]),
        ("I DON’T know…", ["i", "do", "not", "know"]),
        ("@Ann I &lt;3 #Mondays https://t.co/x", ["xxuser", "i", "❤", "mondays", "xxurl"]),
        ("don&#39;t &quot;cry&quot; :’(", ["do", "not", "cry", "😢"]),
        ("See ＨＴＴＰ://x.y", ["see", "xxurl"]),
        (b"bad\xff bytes", ["bad", "bytes"]),
    ],
)
def test_the_steps_work_together(text: str | bytes, expected: list[str]):
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("step", "text", "on", "off"),
    [
        ("case_folding", "So HAPPY", ["so", "happy"], ["So", "HAPPY"]),
        ("markup", "#sad &amp; <b>", ["sad", "and"], ["sad", "amp", ",", "b"]),
        ("contractions", "i don't", ["i", "do", "not"], ["i", "dont"]),
        ("emoticons", "ok :)", ["ok", "🙂"], ["ok"]),
        ("emoji", "ok 🙂 :(", ["ok", "🙂", "🙁"], ["ok"]),
    ],
)
def test_each_step_has_a_switch(step: str, text: str, on: list[str], off: list[str]):
    assert tokens(text) == on
    assert tokens(text, **{step: False}) == off


PIECES = ["http://", "www.", "@", "#", "&lt;", "&#39;", "<b", ">", ":", ")", "(", "<3", "-", "_"]
PIECES += [
    "'",
    "’",
    "n't",
    "I'm",
    "sooo",
    "İ",
    "ß",
    "\u0301",
    "\u200d",
    "👍🏽",
    "❤️",
    "😢",
    "7",
    "!",
]
PIECES += [" ", "\n", "\x00", "\u2028", "d", "x", "t", "o", "/", "\\", "|", "T_T", "AMP;", "&"]
ANY_TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: "".join(pieces).encode()),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=40),
)


@pytest.fixture(scope="module")
def token_rows() -> TokenRows:
    graph = tf.function(
        lambda texts: tokenize(texts, TextSteps()),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )

    def run(*texts: bytes) -> list[list[str]]:
        return words(graph(tf.constant(texts, tf.string)))

    return run


@given(ANY_TEXT)
@example(b"\xed\xa0\x80")
@settings(max_examples=200, deadline=None)
def test_any_bytes_give_words_in_valid_utf_8_without_spaces(token_rows: TokenRows, text: bytes):
    (row,) = token_rows(text)
    for token in row:
        assert token.split() == [token]
        assert token.isprintable()


@given(st.lists(ANY_TEXT, max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_text_has_the_same_tokens_whatever_stands_beside_it(
    token_rows: TokenRows, texts: list[bytes]
):
    assert token_rows(*texts) == [token_rows(text)[0] for text in texts]


@given(ANY_TEXT, st.text(" \t\r\n\x0b\u00a0", max_size=3), st.text(" \t\n\u3000", max_size=3))
@settings(max_examples=200, deadline=None)
def test_spaces_around_a_text_do_not_matter(
    token_rows: TokenRows, text: bytes, before: str, after: str
):
    bare, spaced = token_rows(text, before.encode() + text + after.encode())
    assert spaced == bare


@given(ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_the_case_of_letters_does_not_matter(token_rows: TokenRows, text: bytes):
    original, upper, lower = token_rows(text, text.upper(), text.lower())
    assert upper == original
    assert lower == original
