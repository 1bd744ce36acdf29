"""The word lists and rewriting rules of the text preparation: data, no code."""

from __future__ import annotations

#: Stand-ins for what carries no words of its own.
URL_TOKEN = "xxurl"
USER_TOKEN = "xxuser"
NUMBER_TOKEN = "xxnumber"
#: Stands between two clauses, for whatever punctuation parts them.
CLAUSE_TOKEN = ","

#: Words dropped before the model. Negations (not, no, nor, never), intensifiers (so, too, very),
#: contrast (but), pronouns for people (i, you, she) and forms of "feel" stay: each changes the
#: emotion of a sentence.
STOP_WORDS: tuple[str, ...] = (
    "a",
    "an",
    "the",
    "and",
    "of",
    "to",
    "in",
    "on",
    "at",
    "by",
    "for",
    "from",
    "into",
    "onto",
    "upon",
    "with",
    "within",
    "as",
    "that",
    "this",
    "these",
    "those",
    "there",
    "here",
    "which",
    "whose",
    "whom",
    "am",
    "is",
    "are",
    "be",
    "been",
    "being",
    "then",
    "than",
    "also",
    "its",
    "it",
    "s",
    "t",
    "d",
    "m",
    "ll",
    "re",
    "ve",
)

#: Words that turn the meaning of those that follow them.
NEGATIONS: tuple[str, ...] = (
    "not",
    "no",
    "never",
    "none",
    "nobody",
    "nothing",
    "nowhere",
    "neither",
    "nor",
    "without",
    "hardly",
    "barely",
    "scarcely",
)

#: Forms of "feel".
FEELING: tuple[str, ...] = ("feel", "feels", "feeling", "feelings", "felt")

#: Words and marks at which what a negation turns ends.
SCOPE_ENDS: tuple[str, ...] = (
    CLAUSE_TOKEN,
    "!",
    "?",
    "but",
    "though",
    "although",
    "however",
    "because",
)

#: Words for how somebody is or feels that can be compared.
_GRADABLE: tuple[str, ...] = (
    *("angry", "brave", "calm", "clumsy", "cold", "cosy", "crazy", "creepy", "cruel", "cute"),
    *("dear", "deep", "dull", "dumb", "empty", "fond", "funny", "glad", "gloomy"),
    *("grumpy", "guilty", "happy", "hard", "hungry", "jolly", "kind", "lonely", "lovely", "lucky"),
    *("mad", "mean", "merry", "moody", "nice", "odd", "poor", "proud", "rude", "sad", "scary"),
    *("shy", "sick", "silly", "sorry", "strong", "stupid", "sweet", "tense", "ugly", "warm"),
    *("weak", "weird", "wild"),
)


def _graded(word: str, ending: str) -> str:
    """The word with "er" or "est"."""
    if word.endswith("y"):
        return f"{word[:-1]}i{ending}"
    if word.endswith("ad"):
        return f"{word}d{ending}"
    return word.removesuffix("e") + ending


#: What each comparative and superlative compares.
GRADED: dict[str, str] = {
    _graded(word, ending): word for ending in ("er", "est") for word in _GRADABLE
}

#: Under a negation these add instead of taking away: "i have never been happier".
COMPARISONS: tuple[str, ...] = (
    "more",
    "better",
    "worse",
    *(word for word in GRADED if word.endswith("er")),
)

#: HTML entities and tags, as (RE2 pattern, rewrite), tried in order on lower-case text.
MARKUP_RULES: tuple[tuple[str, str], ...] = (
    (r"&lt;", "<"),
    (r"&gt;", ">"),
    (r"&quot;|&#0*34;", '"'),
    (r"&#(?:0*39|8217|x0*27|x2019);|&apos;|&rsquo;|&lsquo;", "'"),
    (r"&#(?:[0-9]+|x[0-9a-f]+);", " "),
    (r"&nbsp;", " "),
    (r"&amp;", " and "),
    (r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", " "),
    (r"(?:https?://|www\.)\S+", f" {URL_TOKEN} "),
    (r"(^|[^a-z0-9_])@[a-z0-9_]+", rf"\1 {USER_TOKEN} "),
    (r"#([a-z0-9_]+)", r" \1 "),
)

#: Shortened forms to the words they stand for, with and without apostrophe; negations also with
#: a space in its place, as corpora without punctuation have them.
CONTRACTION_RULES: tuple[tuple[str, str], ...] = (
    (r"\b(?:can['\s]?t|cannot)\b", "can not"),
    (r"\bwon['\s]?t\b", "will not"),
    (r"\bshan['\s]?t\b", "shall not"),
    (r"\bain['\s]?t\b", "is not"),
    (
        r"\b(do|does|did|is|are|was|were|have|has|had|could|would|should|might|must|need)n['\s]?t\b",
        r"\1 not",
    ),
    (r"\bi'?m\b", "i am"),
    (r"\b(i|you|we|they)'?ve\b", r"\1 have"),
    (r"\b(?:you're|youre)\b", "you are"),
    (r"\b(?:they're|theyre)\b", "they are"),
    (r"\bwe're\b", "we are"),
    (r"'ll\b", " will"),
    (r"'d\b", " would"),
    (r"'s\b", ""),
    (r"\bgonna\b", "going to"),
    (r"\bwanna\b", "want to"),
    (r"\bgotta\b", "got to"),
)

#: Emoticons to the emoji of the same face, tried in order on lower-case text.
EMOTICON_RULES: tuple[tuple[str, str], ...] = (
    (r"</3", " 💔 "),
    (r"<3+", " ❤ "),
    (r">:-?[(\[]+", " 😠 "),
    (r"[:;=]'-?[(\[]+", " 😢 "),
    (r"(^|\s)[:=]-?\)+|(^|\s)\(+-?[:=]\B|\^_+\^", " 🙂 "),
    (r":-?\)+", " 🙂 "),
    (r"[:=]-?[(\[]+", " 🙁 "),
    (r";-?\)+", " 😉 "),
    (r"(^|\s)(?:[:=]-?d+|x-?d+)(?:\b|$)", " 😄 "),
    (r"(^|\s)[:=]-?p+(?:\b|$)", " 😛 "),
    (r"(^|\s)[:=]-?[o0]+(?:\b|$)", " 😮 "),
    (r"(^|\s)[:=]-?[/\\|]\B", " 😕 "),
    (r"\bt_+t\b|;_+;", " 😢 "),
    (r"-_+-", " 😑 "),
)

#: Emoji to the English word whose stem and vector stand in for it where training shows too few.
EMOJI_WORDS: dict[str, str] = {
    "🙂": "happy",
    "😊": "happy",
    "😀": "happy",
    "😃": "happy",
    "😄": "happy",
    "😁": "happy",
    "☺": "happy",
    "😆": "laughing",
    "😂": "laughing",
    "🤣": "laughing",
    "😅": "relieved",
    "😌": "relieved",
    "😉": "playful",
    "😛": "playful",
    "😜": "playful",
    "😝": "playful",
    "😋": "delicious",
    "😎": "cool",
    "🤗": "hug",
    "🎉": "celebrate",
    "🥳": "celebrate",
    "👏": "congratulations",
    "💪": "strong",
    "👍": "good",
    "🙏": "grateful",
    "✨": "wonderful",
    "🌈": "hopeful",
    "😇": "blessed",
    "🥰": "love",
    "😍": "love",
    "😘": "kiss",
    "😗": "kiss",
    "💋": "kiss",
    "❤": "love",
    "♥": "love",
    "💕": "love",
    "💖": "love",
    "💗": "love",
    "💓": "love",
    "💞": "love",
    "💘": "love",
    "💙": "love",
    "💚": "love",
    "💛": "love",
    "💜": "love",
    "🧡": "love",
    "🖤": "love",
    "💔": "heartbroken",
    "🙁": "sad",
    "☹": "sad",
    "😞": "disappointed",
    "😔": "sad",
    "😢": "crying",
    "😭": "crying",
    "😿": "crying",
    "😥": "sad",
    "😓": "stressed",
    "😩": "exhausted",
    "😫": "exhausted",
    "🥺": "sad",
    "😟": "worried",
    "😕": "unhappy",
    "😣": "struggling",
    "😖": "miserable",
    "🥀": "sad",
    "😠": "angry",
    "😡": "angry",
    "🤬": "furious",
    "😤": "angry",
    "👿": "angry",
    "🖕": "angry",
    "😒": "annoyed",
    "🙄": "annoyed",
    "🤢": "disgusted",
    "🤮": "disgusted",
    "👎": "bad",
    "😨": "scared",
    "😰": "anxious",
    "😱": "terrified",
    "😧": "afraid",
    "😬": "nervous",
    "👻": "scary",
    "😮": "surprised",
    "😯": "surprised",
    "😲": "shocked",
    "😳": "shocked",
    "🤯": "shocked",
    "🤔": "curious",
    "😴": "sleepy",
    "😐": "indifferent",
    "😑": "annoyed",
}
