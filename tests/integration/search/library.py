"""Mail in more than eight languages, and queries with exactly the messages that they must find."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from email.message import EmailMessage

ANNA, BEN = "anna@example.com", "ben@example.com"


@dataclass(frozen=True)
class Letter:
    """A message of Anna's, identified by its name; `folder`: in the server's spelling."""

    id: str
    subject: str
    body: str
    sender: str = "Erik Lund <erik.lund@north.example>"
    to: str = f"Anna Bell <{ANNA}>"
    cc: str = ""
    date: str = "Tue, 05 Mar 2024 10:00:00 +0000"
    folder: bytes = b"INBOX"
    flags: tuple[str, ...] = ("\\Seen",)
    files: tuple[tuple[str, str, bytes], ...] = field(default=())
    padding: int = 0

    @property
    def content(self) -> bytes:
        """Return the message as the server has it."""
        message = EmailMessage()
        message["Message-ID"] = f"<{self.id}@library.example>"
        message["From"], message["To"], message["Subject"], message["Date"] = (
            *(self.sender, self.to),
            *(self.subject, self.date),
        )
        if self.cc:
            message["Cc"] = self.cc
        message.set_content(self.body + "\n" + "x" * self.padding)
        for name, kind, data in self.files:
            main, _, sub = kind.partition("/")
            message.add_attachment(data, maintype=main, subtype=sub, filename=name)
        if self.files:
            message.set_boundary(f"boundary-{self.id}")  # fixed, or it would be a different message each time
        return message.as_bytes()


def docx(text: str) -> bytes:
    """Return a Word document with one paragraph."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        body = f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"
        namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{namespace}"><w:body>{body}</w:body></w:document>')
    return packed.getvalue()


def zipped(**files: bytes) -> bytes:
    """Return a zip of files; keyword arguments are their names, with `_` for the dot."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return packed.getvalue()


LETTERS = [
    Letter("en1", "Invoices for March", "Please find the invoices attached. We are paying them next week, as agreed."),
    Letter(
        "en2", "Re: the invoice", "The invoice was paid yesterday. Thanks for running the numbers with the red book."
    ),
    Letter(
        "en3",
        "Meeting notes",
        "We met at the office. The book is red and the café was closed. Our naïve plan failed.",
        folder=b"Projects/Apollo",
        cc="Zoë Müller <zoe@south.example>",
        date="Mon, 15 Jan 2024 09:00:00 +0000",
    ),
    Letter(
        "en4",
        "Order ABC-123 shipped",
        "Your order ABC-123 was shipped to john.doe@client.example. See http://shop.example/orders/123 for more.",
        sender='"Shop, The" <orders@shop.example>',
        flags=("\\Seen", "\\Flagged"),
        date="Sun, 31 Dec 2023 23:30:00 +0000",
    ),
    Letter(
        "en5",
        "Quarterly report",
        "The report is attached. It is not for the public.",
        files=(("Quarterly Report 2024.docx", "application/octet-stream", docx("Revenue grew by twelve percent")),),
        folder=b"Projects",
        flags=(),
    ),
    Letter(
        "en6",
        "Photos and data",
        "Here they are.",
        files=(
            ("beach.jpg", "image/jpeg", b"\xff\xd8\xff\xe0 no words in here"),
            ("data.zip", "application/zip", zipped(readme_txt=b"platypus sightings", table_csv=b"wombat;42")),
        ),
        sender="Carol <carol@north.example>",
        flags=("\\Seen", "\\Answered"),
    ),
    Letter(
        "en7", "Large thing", "A large message about nothing.", padding=60_000, date="Wed, 01 Jun 2022 08:00:00 +0000"
    ),
    Letter(
        "de1",
        "Rechnungen für die Häuser",
        "Sehr geehrte Frau Bell, die Rechnungen für die Häuser in der Straße sind nicht bezahlt."
        " Mit freundlichen Grüßen",
        sender="Jürgen Groß <juergen@haus.example>",
    ),
    Letter(
        "de2",
        "Ein Haus",
        "Das Haus ist groß, und die Lieferung ist noch nicht bei uns. Bitte schicken Sie eine Rechnung.",
    ),
    Letter(
        "de3", "Öffnungszeiten", "Wir haben geöffnet, auch an Feiertagen, und der Übermut ist groß.", folder=b"Archiv"
    ),
    Letter(
        "fr1",
        "Réunion d'équipe à l'été",
        "La réunion est dans les bureaux de notre équipe. Nous avons été très contents des résultats et des élèves.",
        sender="François Lefèvre <francois@ouest.example>",
    ),
    Letter("fr2", "Les factures impayées", "Vous n'avez pas payé les factures du mois. C'est pour nous une perte."),
    Letter("fr3", "Un résumé", "Le résumé de la réunion est dans ce message, avec les notes de tous."),
    Letter(
        "es1",
        "Reunión del año",
        "La reunión del año es en España. Los niños y las canciones son muy buenos para todos.",
    ),
    Letter("es2", "Una canción", "Esta canción es para el niño, que no la había escuchado nunca, pero le gusta mucho."),
    Letter(
        "es3", "Facturas pendientes", "Las facturas están pendientes de pago, por favor, no se olvide de que son tres."
    ),
    Letter(
        "it1",
        "Riunione della città",
        "La riunione della città è nel palazzo. Gli amici sono qui con noi, ma non tutti.",
    ),
    Letter("it2", "Un amico", "Il mio amico è in una città che non conosce, ma ha molto da raccontare degli altri."),
    Letter(
        "it3",
        "Perché no",
        "Perché non mandi le fatture? Sono molto importanti per il bilancio di tutti quelli che le aspettano.",
    ),
    Letter(
        "nl1",
        "Vergaderingen",
        "De vergaderingen zijn op maandag, en wij hebben geen tijd voor de rekeningen van het huis.",
    ),
    Letter(
        "nl2",
        "Een vergadering",
        "Er is een vergadering over de rekening, die nog niet betaald is. Kom ook als het kan.",
    ),
    Letter(
        "nl3",
        "Huizen te koop",
        "Er zijn twee huizen te koop in deze straat, maar ze zijn niet goedkoop voor de mensen.",
    ),
    Letter(
        "pt1",
        "Reuniões em São Paulo",
        "As reuniões são em São Paulo e não há mais lugares para os alunos que não vieram.",
    ),
    Letter("pt2", "Uma reunião", "A reunião é com o João, que não tem tempo mas vai mandar as informações até amanhã."),
    Letter("pt3", "Informação", "Esta informação é para você e para os seus, não é para o público em geral."),
    Letter(
        "ru1",
        "Счета за март",
        "Счета за март оплачены. Книги лежат на столе, и ёлка тоже.",
        sender="Иван Петров <ivan@vostok.example>",
    ),
    Letter("ru2", "Новая книга", "Эта книга стоит на полке. Счёт придёт позже."),
    Letter("ru3", "Встреча", "Встреча с Иваном будет в Москве, в большом доме."),
    Letter(
        "ja1",
        "年度報告書について",
        "東京都の会議は来週です。年度報告書を添付します。カタカナとひらがな。",
        sender="田中太郎 <tanaka@higashi.example>",
    ),
    Letter("ja2", "京都の写真", "京都で撮った写真です。"),
    Letter("zh1", "关于发票的问题", "请把发票寄到北京办公室。谢谢您的合作。"),
    Letter("zh2", "会议", "会议在上海举行，请准时参加。"),
    Letter("ko1", "회의 안내", "서울에서 회의가 있습니다. 보고서를 보내주세요."),
    Letter("el1", "Τιμολόγια", "Τα τιμολόγια είναι έτοιμα στην Αθήνα."),
    Letter("he1", "חשבונית", "החשבונית מצורפת לתל אביב."),
    Letter("ar1", "الفاتورة", "الفاتورة جاهزة في القاهرة."),
    Letter("tr1", "İstanbul toplantısı", "Toplantı İstanbul'da olacak, çok güzel bir gün."),
    Letter("pl1", "Łódź i Kraków", "Spotkanie w Łodzi, a potem żółta łódka."),
]

#: Queries, and the ids of their results in Anna's archive.
QUERIES: list[tuple[str, str]] = [
    # English: forms of words, phrases, operators
    ("invoices", "en1 en2"),
    ("invoice", "en1 en2"),
    ("INVOICE", "en1 en2"),
    ("paying invoices", "en1"),
    ('"red book"', "en2"),
    ('"book is red"', "en3"),
    ("red book", "en2 en3"),
    ('"the invoice"', "en2"),
    ("cafe naive", "en3"),
    ("café", "en3"),
    ("invoice -paid", "en1"),
    ("red -book", ""),
    ("wombat OR naive", "en3 en6"),
    ("(invoice OR report) -attached", "en2"),
    ("platyp*", "en6"),
    ("wom?at", "en6"),
    ("inv*ce yesterday", "en2"),
    ("ABC-123", "en4"),
    ('"order abc 123"', "en4"),
    ("http://shop.example/orders/123", "en4"),
    ("invoice & yesterday", "en2"),
    # Fields
    ("subject:invoice", "en1 en2"),
    ('subject:"the invoice"', "en2"),
    ("body:march", ""),
    ("from:erik subject:large", "en7"),
    ("from:lefevre", "fr1"),
    ("from:Groß", "de1"),
    ("from:gross", "de1"),
    ("from:orders@shop.example", "en4"),
    ("from:*@shop.example", "en4"),
    ('from:"shop the"', "en4"),
    ("to:john.doe@client.example", ""),
    ("john.doe@client.example", "en4"),
    ("cc:muller", "en3"),
    ("cc:zoe", "en3"),
    ("from:(carol OR jürgen)", "en6 de1"),
    ("attachment:revenue", "en5"),
    ("attachment:revenues", "en5"),
    ('attachment:"twelve percent"', "en5"),
    ("attachment:platypus", "en6"),
    ("body:platypus", ""),
    ("filename:*.docx", "en5"),
    ("filename:quarterly", "en5"),
    ('filename:"quarterly report 2024.docx"', "en5"),
    ("filename:beach.jpg", "en6"),
    ("has:attachment", "en5 en6"),
    ("type:word", "en5"),
    ("type:image", "en6"),
    ("folder:projects", "en3 en5"),
    ("folder:projects/apollo", "en3"),
    ("folder:ap*", "en3"),
    ("folder:nowhere", ""),
    (f"archive:{ANNA} platypus", "en6"),
    ("archive:ben*", ""),
    ("before:2023", "en7"),
    ("before:2024", "en4 en7"),
    ("on:2023-12", "en4"),
    ("on:2023-12-31", "en4"),
    ("on:2024-01", "en3"),
    ("after:2024 before:2024-02", "en3"),
    ("larger:50k", "en7"),
    ("larger:50k smaller:55k", ""),
    ("is:flagged", "en4"),
    ("is:answered", "en6"),
    ("is:unread", "en5"),
    ("messageid:en5@library.example", "en5"),
    ("messageid:<en5@library.example>", "en5"),
    # German
    ("Haus", "de1 de2"),
    ("häuser", "de1 de2"),
    ("rechnung", "de1 de2"),
    ("strasse", "de1"),
    ("ubermut", "de3"),
    ("geöffnet", "de3"),
    ("-rechnung from:haus.example", ""),
    # French
    ("equipe", "fr1"),
    ("réunions", "fr1 fr3 es1"),
    ("facture", "fr2 es3"),
    ("resume", "fr3"),
    ("l'été", "fr1"),
    # Spanish
    ("canciones", "es1 es2"),
    ("niño", "es1 es2"),
    ("ano", "es1"),
    # Italian
    ("amici", "it1 it2"),
    ("citta", "it1 it2"),
    ("perche", "it3"),
    # Dutch
    ("vergadering", "nl1 nl2"),
    ("rekeningen", "nl1 nl2"),
    # Portuguese
    ("sao paulo", "pt1"),
    ("reuniões", "pt1 pt2"),
    ("informações", "pt2 pt3"),
    # Russian
    ("книга", "ru1 ru2"),
    ("книги", "ru1 ru2"),
    ("елка", "ru1"),
    ("счет", "ru1 ru2"),
    ("from:иван", "ru1"),
    # Scripts without spaces
    ("報告書", "ja1"),
    ("京都", "ja1 ja2"),
    ("東京", "ja1"),
    ('"年度報告書"', "ja1"),
    ("写", "ja2"),
    ("书", ""),
    ("from:田中", "ja1"),
    ("发票", "zh1"),
    ("北京 发票", "zh1"),
    ("会议", "zh2"),
    ("회의", "ko1"),
    ("보고서", "ko1"),
    # Other alphabets
    ("ΤΙΜΟΛΌΓΙΑ", "el1"),
    ("τιμολογια", "el1"),
    ("חשבונית", "he1"),
    ("الفاتورة", "ar1"),
    ("istanbul", "tr1"),
    ("lodz", "pl1"),
    ("łódka", "pl1"),
]
