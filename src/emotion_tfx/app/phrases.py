"""Every word the web app says, in both languages. The only place that holds any.

Values stand in braces and are filled in by :class:`emotion_tfx.app.speech.Speech`.
"""

from __future__ import annotations

from typing import NamedTuple


class Phrase(NamedTuple):
    """One thing to say, in each language by its code.

    Attributes:
        en: English.
        id: Indonesian.
    """

    en: str
    id: str


PHRASES: dict[str, Phrase] = {
    # The six emotions, and the state of doubt
    "emotion.sadness": Phrase("sadness", "kesedihan"),
    "emotion.joy": Phrase("joy", "kegembiraan"),
    "emotion.love": Phrase("love", "cinta"),
    "emotion.anger": Phrase("anger", "kemarahan"),
    "emotion.fear": Phrase("fear", "ketakutan"),
    "emotion.surprise": Phrase("surprise", "keterkejutan"),
    # The frame around all pages
    "frame.name": Phrase("Emotions in text", "Emosi dalam teks"),
    "frame.language": Phrase("Language", "Bahasa"),
    "frame.one": Phrase("One text", "Satu teks"),
    "frame.many": Phrase("Many texts", "Banyak teks"),
    "frame.model": Phrase("The model", "Modelnya"),
    "frame.monitoring": Phrase("Monitoring", "Pemantauan"),
    "frame.footer": Phrase(
        "The texts go to {server} and nowhere else.",
        "Teks hanya dikirim ke {server}, tidak ke tempat lain.",
    ),
    # The server
    "server.away": Phrase(
        "The server at {server} does not answer. Start it with this command:",
        "Server di {server} tidak menjawab. Jalankan dengan perintah ini:",
    ),
    "server.away_remote": Phrase(
        "If it runs elsewhere, give its address with --server or EMOTION_SERVER.",
        "Jika server berjalan di tempat lain, berikan alamatnya dengan --server "
        "atau EMOTION_SERVER.",
    ),
    "server.starting": Phrase(
        "The server is there and is loading its model; that takes some seconds.",
        "Server sudah ada dan sedang memuat modelnya; tunggu beberapa detik.",
    ),
    "server.looks_again": Phrase(
        "This page looks again every two seconds.",
        "Halaman ini memeriksa lagi setiap dua detik.",
    ),
    "server.key": Phrase(
        "The server wants a key. Start this app with the right one in EMOTION_API_KEY.",
        "Server meminta kunci. Jalankan aplikasi ini dengan kunci yang benar di EMOTION_API_KEY.",
    ),
    "server.too_large": Phrase(
        "That is more than the server takes at a time: {detail}",
        "Itu melebihi batas yang diterima server sekaligus: {detail}",
    ),
    "server.busy": Phrase(
        "The server has too much to do at the moment. Try again in a little while.",
        "Server sedang terlalu sibuk. Coba lagi sebentar lagi.",
    ),
    "server.refused": Phrase(
        "The server did not accept that: {detail}",
        "Server tidak menerimanya: {detail}",
    ),
    "server.strange": Phrase(
        "The server at {server} answered in a way this app does not understand ({detail}). "
        "Is it an emotion-tfx server of the same version?",
        "Jawaban server di {server} tidak dipahami aplikasi ini ({detail}). "
        "Apakah itu server emotion-tfx dengan versi yang sama?",
    ),
    # One text
    "one.title": Phrase("What does it feel like?", "Terasa seperti apa?"),
    "one.lead": Phrase(
        "Write a sentence in English and see which of six emotions it expresses, how sure that "
        "is, and which words made the difference.",
        "Tulis sebuah kalimat dalam bahasa Inggris, lalu lihat mana dari enam emosi yang "
        "diungkapkannya, seberapa yakin modelnya, dan kata mana yang menentukan.",
    ),
    "one.text": Phrase("Your text, in English", "Teks Anda, dalam bahasa Inggris"),
    "one.placeholder": Phrase("How was your day?", "Misalnya: I finally got the job I wanted!"),
    "one.ask": Phrase("Show the emotion", "Tampilkan emosinya"),
    "one.keys": Phrase("or press Ctrl+Enter", "atau tekan Ctrl+Enter"),
    "one.examples": Phrase("Or try one of these:", "Atau coba salah satu ini:"),
    "one.nothing": Phrase(
        "There is no text yet: write a sentence first.",
        "Belum ada teks: tulis sebuah kalimat dahulu.",
    ),
    "one.confidence": Phrase("{share} sure", "yakin {share}"),
    "one.unsure": Phrase("Not sure", "Tidak yakin"),
    "one.unsure_guess": Phrase(
        "perhaps {emotion}, with {share}", "mungkin {emotion}, dengan {share}"
    ),
    "one.unsure_why": Phrase(
        "No emotion stands out clearly enough. Take this as a guess; a person should decide.",
        "Tidak ada emosi yang cukup menonjol. Anggap ini tebakan; sebaiknya manusia yang "
        "memutuskan.",
    ),
    "one.all": Phrase("All six emotions", "Keenam emosi"),
    "one.words": Phrase("The words that mattered", "Kata-kata yang menentukan"),
    "one.words_for": Phrase("speaks for {emotion}", "mendukung {emotion}"),
    "one.words_against": Phrase("speaks against it", "menentangnya"),
    "one.words_none": Phrase(
        "No single word decides here: it is the whole sentence.",
        "Tidak ada satu kata pun yang menentukan di sini: seluruh kalimatlah yang berperan.",
    ),
    "one.word_share": Phrase("{points} points", "{points} poin"),
    "one.not_english": Phrase(
        "This does not look like English. The model reads English only, so the answer below may "
        "mean nothing.",
        "Ini tidak tampak seperti bahasa Inggris. Model hanya membaca bahasa Inggris, jadi "
        "jawaban di bawah mungkin tidak berarti.",
    ),
    "one.model": Phrase("Answered by {model}", "Dijawab oleh {model}"),
    "example.sadness": Phrase(
        "I feel so lonely since she left.",
        "I feel so lonely since she left.",
    ),
    "example.joy": Phrase(
        "I feel wonderful, we won!",
        "I feel wonderful, we won!",
    ),
    "example.love": Phrase(
        "I feel so tender towards my little sister.",
        "I feel so tender towards my little sister.",
    ),
    "example.anger": Phrase(
        "They charged me twice, I am furious.",
        "They charged me twice, I am furious.",
    ),
    "example.fear": Phrase(
        "I am scared of walking home alone.",
        "I am scared of walking home alone.",
    ),
    "example.surprise": Phrase(
        "I was stunned when she said yes.",
        "I was stunned when she said yes.",
    ),
    # Feedback on one text
    "feedback.title": Phrase("What do you read in it?", "Emosi apa yang Anda baca di dalamnya?"),
    "feedback.consent": Phrase(
        "Keep my text with it, so that the next model can learn from it",
        "Simpan juga teks saya, agar model berikutnya dapat belajar darinya",
    ),
    "feedback.consent_help": Phrase(
        "Without this, only the emotions are kept: the one answered and the one you chose.",
        "Tanpa ini, hanya emosinya yang disimpan: jawaban model dan pilihan Anda.",
    ),
    "feedback.agreed": Phrase("Thank you. You agree.", "Terima kasih. Anda setuju."),
    "feedback.corrected": Phrase(
        "Thank you. Corrected to {emotion}.", "Terima kasih. Dikoreksi menjadi {emotion}."
    ),
    "feedback.with_text": Phrase("The text is kept too.", "Teksnya juga disimpan."),
    "feedback.without_text": Phrase("The text is not kept.", "Teksnya tidak disimpan."),
    "feedback.failed": Phrase(
        "Your choice could not be kept: {detail}", "Pilihan Anda tidak dapat disimpan: {detail}"
    ),
    # The history of a session
    "history.title": Phrase("Your texts so far ({count})", "Teks Anda sejauh ini ({count})"),
    "history.note": Phrase(
        "Only in this browser tab: it goes when you close it.",
        "Hanya di tab peramban ini: hilang saat Anda menutupnya.",
    ),
    "history.time": Phrase("Time", "Waktu"),
    "history.text": Phrase("Text", "Teks"),
    "history.emotion": Phrase("Emotion", "Emosi"),
    "history.confidence": Phrase("Sure", "Yakin"),
    "history.download": Phrase("Download as CSV", "Unduh sebagai CSV"),
    "history.clear": Phrase("Clear", "Hapus"),
    # Many texts
    "many.title": Phrase("A whole file at once", "Satu berkas sekaligus"),
    "many.lead": Phrase(
        "Paste lines or drop a file, and get an answer for each text: to look at, to sort, and to "
        "take with you.",
        "Tempel beberapa baris atau letakkan berkas, dan dapatkan jawaban untuk setiap teks: untuk "
        "dilihat, diurutkan, dan dibawa pulang.",
    ),
    "many.source": Phrase("Where the texts are", "Di mana teksnya"),
    "many.file": Phrase("A file", "Berkas"),
    "many.paste": Phrase("Pasted lines", "Baris yang ditempel"),
    "many.upload": Phrase(
        "CSV, TSV, TXT or XLSX, up to 200 MB and 500,000 rows",
        "CSV, TSV, TXT, atau XLSX, hingga 200 MB dan 500.000 baris",
    ),
    "many.choose": Phrase("Choose a file", "Pilih berkas"),
    "many.lines": Phrase("Your texts, one a line", "Teks Anda, satu per baris"),
    "many.column_text": Phrase("The column with the texts", "Kolom yang berisi teks"),
    "many.column_date": Phrase(
        "The column with dates, if any", "Kolom yang berisi tanggal, jika ada"
    ),
    "many.no_date": Phrase("none", "tidak ada"),
    "many.sheet": Phrase("The sheet", "Lembar"),
    "many.has_header": Phrase(
        "The first row holds the names of the columns", "Baris pertama berisi nama kolom"
    ),
    "many.preview": Phrase("The first rows", "Baris-baris pertama"),
    "many.read_as": Phrase(
        "The file is not UTF-8; it is read as {encoding}. If letters look wrong, save it as UTF-8.",
        "Berkas ini bukan UTF-8; dibaca sebagai {encoding}. Jika hurufnya tampak salah, simpan "
        "sebagai UTF-8.",
    ),
    "many.not_english": Phrase(
        "Many of the first texts do not look like English. The model reads English only.",
        "Banyak dari teks pertama tidak tampak seperti bahasa Inggris. Model hanya membaca bahasa "
        "Inggris.",
    ),
    "many.start": Phrase("Find the emotions", "Temukan emosinya"),
    "many.cancel": Phrase("Cancel", "Batalkan"),
    "many.again": Phrase("Start over", "Mulai lagi"),
    "many.checking": Phrase("Looking through {name} …", "Memeriksa {name} …"),
    "many.progress": Phrase("{done} of {total} texts", "{done} dari {total} teks"),
    "many.rate": Phrase("{rate} a second", "{rate} per detik"),
    "many.left": Phrase("about {time} left", "sisa sekitar {time}"),
    "many.done": Phrase(
        "{count} texts answered in {time}, {rate} a second.",
        "{count} teks dijawab dalam {time}, {rate} per detik.",
    ),
    "many.stopped": Phrase(
        "Cancelled after {done} of {total} texts. What was answered by then stands below.",
        "Dibatalkan setelah {done} dari {total} teks. Yang sudah dijawab ada di bawah.",
    ),
    "many.failed": Phrase(
        "It ended after {done} of {total} texts. What was answered by then stands below.",
        "Berhenti setelah {done} dari {total} teks. Yang sudah dijawab ada di bawah.",
    ),
    "many.shortened": Phrase(
        "{count} texts are longer than {limit} characters; only their beginnings were read.",
        "{count} teks lebih panjang dari {limit} karakter; hanya bagian awalnya yang dibaca.",
    ),
    "many.blank": Phrase("{count} rows have no text.", "{count} baris tidak berisi teks."),
    "many.texts": Phrase("Texts", "Teks"),
    "many.confidence": Phrase("Sure on average", "Rata-rata yakin"),
    "many.unsure": Phrase("Not sure", "Tidak yakin"),
    "many.most": Phrase("Most often", "Paling sering"),
    "many.distribution": Phrase("How often each emotion occurs", "Seberapa sering tiap emosi"),
    "many.over_time": Phrase("Emotions over time", "Emosi dari waktu ke waktu"),
    "many.over_time_none": Phrase(
        "The column {column} holds too few dates to draw them over time.",
        "Kolom {column} berisi terlalu sedikit tanggal untuk digambarkan.",
    ),
    "many.over_time_label": Phrase(
        "Area chart: the number of texts of each emotion from {first} to {last}.",
        "Grafik area: jumlah teks tiap emosi dari {first} sampai {last}.",
    ),
    "many.number_of_texts": Phrase("texts", "teks"),
    "many.table": Phrase("Every text", "Setiap teks"),
    "many.filter_emotions": Phrase("Only these emotions", "Hanya emosi ini"),
    "many.filter_contains": Phrase("Only texts with", "Hanya teks yang berisi"),
    "many.filter_unsure": Phrase("Only where not sure", "Hanya yang tidak yakin"),
    "many.sort": Phrase("Sorted by", "Urut menurut"),
    "many.sort_row": Phrase("the file's order", "urutan berkas"),
    "many.sort_sure": Phrase("the surest first", "yang paling yakin dahulu"),
    "many.sort_unsure": Phrase("the least sure first", "yang paling tidak yakin dahulu"),
    "many.sort_emotion": Phrase("emotion", "emosi"),
    "many.shown": Phrase(
        "{shown} of {total} texts. A click on a column's head sorts these.",
        "{shown} dari {total} teks. Klik kepala kolom untuk mengurutkannya.",
    ),
    "many.shown_none": Phrase("No text is like that.", "Tidak ada teks seperti itu."),
    "many.column_emotion": Phrase("emotion", "emosi"),
    "many.column_sure": Phrase("sure", "yakin"),
    "many.column_unsure": Phrase("not sure", "tidak yakin"),
    "many.download_csv": Phrase("Download CSV", "Unduh CSV"),
    "many.download_xlsx": Phrase("Download XLSX", "Unduh XLSX"),
    "many.download_note": Phrase(
        "Both hold all rows, the file's own columns, and all six probabilities. What a "
        "spreadsheet would take for a formula is marked as text.",
        "Keduanya berisi semua baris, kolom asli berkas, dan keenam probabilitas. Isi yang dapat "
        "dianggap rumus oleh lembar kerja ditandai sebagai teks.",
    ),
    # What can be wrong with a file
    "file.empty": Phrase("The file is empty.", "Berkas ini kosong."),
    "file.no_rows": Phrase(
        "The file holds no row with a text.", "Berkas ini tidak berisi baris dengan teks."
    ),
    "file.kind": Phrase(
        "Files of the kind {ending} are not read. Save it as CSV, TSV, TXT or XLSX.",
        "Berkas jenis {ending} tidak dapat dibaca. Simpan sebagai CSV, TSV, TXT, atau XLSX.",
    ),
    "file.zip": Phrase(
        "This is a ZIP archive or an Excel file under another name. Unpack it, or name it .xlsx.",
        "Ini arsip ZIP atau berkas Excel dengan nama lain. Buka arsipnya, atau beri nama .xlsx.",
    ),
    "file.xlsx": Phrase(
        "This is not an Excel file that can be read: it is damaged, protected by a password, or "
        "another kind under that name. Open it in Excel and save it again as .xlsx or CSV.",
        "Ini bukan berkas Excel yang dapat dibaca: rusak, dilindungi kata sandi, atau jenis lain "
        "dengan nama itu. Buka di Excel dan simpan lagi sebagai .xlsx atau CSV.",
    ),
    "file.xlsx_bomb": Phrase(
        "This Excel file would unpack to several gigabytes. Save the sheet as CSV instead.",
        "Berkas Excel ini akan menjadi beberapa gigabita saat dibuka. Simpan lembarnya sebagai "
        "CSV.",
    ),
    "file.too_wide": Phrase(
        "Line {line} has {found} columns, but there should be {expected}. A text with commas or "
        "line breaks belongs between double quotes. If every line is one text, name the file .txt.",
        "Baris {line} memiliki {found} kolom, padahal seharusnya {expected}. Teks yang berisi koma "
        "atau ganti baris harus diapit tanda kutip ganda. Jika setiap baris adalah satu teks, beri "
        "nama berkas .txt.",
    ),
    "file.quotes": Phrase(
        "The double quotes in the row that begins in line {line} do not match. Close them, and "
        "write a double quote inside a text as two.",
        "Tanda kutip ganda pada baris yang dimulai di baris {line} tidak berpasangan. Tutuplah, "
        "dan tulis tanda kutip ganda di dalam teks sebagai dua tanda.",
    ),
    "file.long_field": Phrase(
        "In the row that begins in line {line}, a text does not end for 131,072 characters. Most "
        "likely a double quote is opened there and never closed.",
        "Pada baris yang dimulai di baris {line}, sebuah teks tidak berakhir hingga 131.072 "
        "karakter. Kemungkinan besar ada tanda kutip ganda yang tidak ditutup.",
    ),
    "file.binary": Phrase(
        "Line {line} is not text. Is this really a text file? If it is, save it as UTF-8.",
        "Baris {line} bukan teks. Apakah ini benar berkas teks? Jika ya, simpan sebagai UTF-8.",
    ),
    "file.encoding": Phrase(
        "The letters of the file cannot be read as {encoding}. Save it as UTF-8.",
        "Huruf dalam berkas tidak dapat dibaca sebagai {encoding}. Simpan sebagai UTF-8.",
    ),
    "file.too_many": Phrase(
        "The file has more than {limit} rows. Split it, or use the command emotion predict "
        "--input, which takes any number.",
        "Berkas ini memiliki lebih dari {limit} baris. Bagilah, atau gunakan perintah emotion "
        "predict --input, yang menerima jumlah berapa pun.",
    ),
    "file.disk": Phrase(
        "The answers cannot be written to this machine's disk: {detail}",
        "Jawaban tidak dapat ditulis ke diska mesin ini: {detail}",
    ),
    # The model
    "model.title": Phrase("The model that answers", "Model yang menjawab"),
    "model.version": Phrase("{name}, version {version}", "{name}, versi {version}"),
    "model.accuracy": Phrase("Accuracy", "Akurasi"),
    "model.macro_f1": Phrase("Macro-F1", "Macro-F1"),
    "model.texts": Phrase("Measured on", "Diukur pada"),
    "model.texts_value": Phrase("{count} texts", "{count} teks"),
    "model.ece": Phrase("Calibration error", "Galat kalibrasi"),
    "model.measured": Phrase(
        "Measured on texts that training had not seen.",
        "Diukur pada teks yang tidak dilihat saat pelatihan.",
    ),
    "model.no_metrics": Phrase(
        "This model came without its evaluation, so there are no figures to show.",
        "Model ini tidak disertai evaluasinya, jadi tidak ada angka untuk ditampilkan.",
    ),
    "model.per_class": Phrase("How good it is at each emotion", "Seberapa baik untuk tiap emosi"),
    "model.precision": Phrase("Precision", "Presisi"),
    "model.recall": Phrase("Recall", "Recall"),
    "model.f1": Phrase("F1", "F1"),
    "model.support": Phrase("Texts", "Teks"),
    "model.per_class_note": Phrase(
        "Precision: how many of its answers are right. Recall: how many of the texts it finds. "
        "F1: both in one.",
        "Presisi: berapa banyak jawabannya yang benar. Recall: berapa banyak teks yang "
        "ditemukannya. F1: gabungan keduanya.",
    ),
    "model.confusion": Phrase("What it takes for what", "Apa yang dikira apa"),
    "model.confusion_note": Phrase(
        "A row for each true emotion, a column for each answer.",
        "Satu baris untuk tiap emosi sebenarnya, satu kolom untuk tiap jawaban.",
    ),
    "model.confusion_corner": Phrase("true ↓ answered →", "sebenarnya ↓ dijawab →"),
    "model.calibration": Phrase(
        "Does it keep what its confidence promises?", "Apakah keyakinannya dapat dipercaya?"
    ),
    "model.calibration_note": Phrase(
        "Of the texts it is about 80 % sure of, about 80 % should be right: dots near the line.",
        "Dari teks yang diyakininya sekitar 80 %, sekitar 80 % seharusnya benar: titik di dekat "
        "garis.",
    ),
    "model.confidence": Phrase("confidence", "keyakinan"),
    "model.right": Phrase("right", "benar"),
    "model.doubt": Phrase("When it doubts", "Saat ragu"),
    "model.doubt_note": Phrase(
        "It calls {share} of the texts not sure. It is right on {certain} of the others, and on "
        "{uncertain} of those.",
        "Ia menyebut {share} teks tidak yakin. Ia benar pada {certain} teks lainnya, dan pada "
        "{uncertain} teks itu.",
    ),
    "model.card": Phrase("Its card", "Kartu model"),
    "model.card_note": Phrase(
        "Written in English by the run that made the model: what it is for, what it is not for, "
        "and its limits.",
        "Ditulis dalam bahasa Inggris saat model dibuat: untuk apa, bukan untuk apa, dan "
        "batasannya.",
    ),
    "model.no_card": Phrase("This model came without a card.", "Model ini tidak disertai kartu."),
    "model.training": Phrase("How it was trained", "Bagaimana ia dilatih"),
    "model.agreement": Phrase(
        "People agree with {share} of the answers they judged here ({count}).",
        "Orang setuju dengan {share} jawaban yang mereka nilai di sini ({count}).",
    ),
    # Monitoring
    "monitoring.title": Phrase("How it is doing", "Bagaimana keadaannya"),
    "monitoring.source_server": Phrase(
        "From the server's own counters, since its start. For charts over days, let a Prometheus "
        "watch it and give its address in EMOTION_PROMETHEUS.",
        "Dari penghitung server sendiri, sejak dijalankan. Untuk grafik berhari-hari, biarkan "
        "Prometheus memantaunya dan berikan alamatnya di EMOTION_PROMETHEUS.",
    ),
    "monitoring.source_prometheus": Phrase(
        "Totals from the server since its start; charts from {prometheus}.",
        "Jumlah dari server sejak dijalankan; grafik dari {prometheus}.",
    ),
    "monitoring.prometheus_away": Phrase(
        "The Prometheus at {prometheus} does not answer ({detail}), so the charts show only what "
        "this page has seen.",
        "Prometheus di {prometheus} tidak menjawab ({detail}), jadi grafik hanya menampilkan apa "
        "yang dilihat halaman ini.",
    ),
    "monitoring.strange": Phrase(
        "The server's counters cannot be read ({detail}).",
        "Penghitung server tidak dapat dibaca ({detail}).",
    ),
    "monitoring.span": Phrase("Time", "Rentang waktu"),
    "monitoring.span_quarter": Phrase("15 minutes", "15 menit"),
    "monitoring.span_hour": Phrase("1 hour", "1 jam"),
    "monitoring.span_day": Phrase("1 day", "1 hari"),
    "monitoring.span_week": Phrase("1 week", "1 minggu"),
    "monitoring.requests": Phrase("Requests", "Permintaan"),
    "monitoring.failed": Phrase("Failed", "Gagal"),
    "monitoring.texts": Phrase("Texts", "Teks"),
    "monitoring.median": Phrase("Half within", "Separuh dalam"),
    "monitoring.p99": Phrase("99 % within", "99 % dalam"),
    "monitoring.runs": Phrase("Graph runs", "Jalan graf"),
    "monitoring.run_mean": Phrase("Each on average", "Rata-rata tiap jalan"),
    "monitoring.unsure": Phrase("Not sure", "Tidak yakin"),
    "monitoring.unknown": Phrase("Unknown words", "Kata tak dikenal"),
    "monitoring.mean_confidence": Phrase("Sure on average", "Rata-rata yakin"),
    "monitoring.mean_length": Phrase("Characters a text", "Karakter per teks"),
    "monitoring.model_age": Phrase("Age of the model", "Umur model"),
    "monitoring.milliseconds": Phrase("{count} ms", "{count} md"),
    "monitoring.class_mix": Phrase("Emotions answered", "Emosi yang dijawab"),
    "monitoring.confidence": Phrase("How sure the answers are", "Seberapa yakin jawabannya"),
    "monitoring.requests_per_second": Phrase(
        "Requests a second, by outcome", "Permintaan per detik, menurut hasil"
    ),
    "monitoring.latency": Phrase("Latency in milliseconds", "Latensi dalam milidetik"),
    "monitoring.graph_runs_per_second": Phrase("Graph runs a second", "Jalan graf per detik"),
    "monitoring.run_time": Phrase("Milliseconds a graph run", "Milidetik per jalan graf"),
    "monitoring.classes_over_time": Phrase(
        "Texts a second, by emotion", "Teks per detik, menurut emosi"
    ),
    "monitoring.confidence_over_time": Phrase("Mean confidence", "Keyakinan rata-rata"),
    "monitoring.drift": Phrase("Drift", "Pergeseran"),
    "monitoring.drift_none": Phrase(
        "The server has nothing to compare the last answers with. The mix of emotions, the "
        "confidence and the share of unknown words above show a change of the texts as well.",
        "Server tidak punya pembanding untuk jawaban terakhir. Campuran emosi, keyakinan, dan "
        "bagian kata tak dikenal di atas juga menunjukkan perubahan teks.",
    ),
    "monitoring.drift_few": Phrase(
        "The last {count} answers are too few to compare with those that the model was judged on; "
        "it takes {least}.",
        "{count} jawaban terakhir terlalu sedikit untuk dibandingkan dengan jawaban saat model "
        "dinilai; diperlukan {least}.",
    ),
    "monitoring.drift_lead": Phrase(
        "The last {count} answers against those that the model was judged on. A distance of 0 is "
        "no change, 1 the largest there is; from {least} on, texts or answers have changed.",
        "{count} jawaban terakhir dibandingkan dengan jawaban saat model dinilai. Jarak 0 berarti "
        "tidak berubah, 1 yang terbesar; mulai {least}, teks atau jawaban sudah berubah.",
    ),
    "monitoring.drift_label": Phrase("Emotions answered", "Emosi yang dijawab"),
    "monitoring.drift_confidence": Phrase("How sure the answers are", "Seberapa yakin jawabannya"),
    "monitoring.drift_length": Phrase("Length of the texts", "Panjang teks"),
    "monitoring.drift_unknown_words": Phrase("Unknown words", "Kata tak dikenal"),
    "monitoring.changed": Phrase("changed", "berubah"),
    "monitoring.unchanged": Phrase("as when it was judged", "seperti saat dinilai"),
    "monitoring.estimated": Phrase("Right, by estimate", "Benar, menurut perkiraan"),
    "monitoring.when_judged": Phrase("Right when judged", "Benar saat dinilai"),
    "monitoring.measure": Phrase("Measure", "Ukuran"),
    "monitoring.distance": Phrase("Distance", "Jarak"),
    "monitoring.verdict": Phrase("Verdict", "Putusan"),
    "monitoring.waiting": Phrase(
        "Charts over time appear here after five seconds.",
        "Grafik dari waktu ke waktu muncul di sini setelah lima detik.",
    ),
    "monitoring.chart_label": Phrase(
        "Line chart: {title}. Latest: {values}.", "Grafik garis: {title}. Terbaru: {values}."
    ),
    "monitoring.no_requests": Phrase(
        "No text has been asked about yet.", "Belum ada teks yang ditanyakan."
    ),
}
