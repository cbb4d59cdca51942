"""The words that generated mail consists of; people, firms and events are fictitious."""

from __future__ import annotations

FIRST_NAMES = (
    "Anna Ben Clara David Elif François Greta Hakan Ines Jürgen Katarzyna Liam Mei Noor Olga Pedro Quinn Rosa Søren "
    "Tomás Uwe Vera Wanda Xaver Yuki Zoë"
).split()
LAST_NAMES = (
    "Albrecht Becker Çelik Dubois Eriksen Fischer García Hoffmann Ivanova Jansen Kowalski Lindqvist Müller Nakamura "
    "O'Brien Peeters Quandt Rossi Schröder Tanaka Ueda Vogel Weiß Xu Yılmaz Zimmermann"
).split()
FIRMS = (
    "Nordlicht Logistik",
    "Baumann & Söhne",
    "Acme Example",
    "Café Zürich",
    "Harbour Books",
    "Kleeblatt Versicherung",
)
DOMAINS = ("partner.example", "kunde.example", "supplier.example", "uni.example", "verein.example")

TOPICS = (
    "invoice {number}",
    "contract renewal {number}",
    "quarterly report {number}",
    "travel to Lisbon",
    "server migration",
    "holiday schedule",
    "Angebot {number}",
    "Protokoll der Sitzung",
    "Rückfrage zur Lieferung {number}",
    "budget for next year",
    "new coffee machine",
    "customer complaint {number}",
    "printer on the second floor",
    "Vertragsentwurf {number}",
)
SENTENCES = (
    "Thank you for your message, I will come back to you by Friday.",
    "Please find the figures attached; the second column is still preliminary.",
    "The delivery arrived this morning, but two boxes are missing.",
    "Could you have a look at section four before we sign the contract?",
    "We agreed on the phone that the invoice is due at the end of the month.",
    "The meeting moves to half past ten, same room.",
    "Nobody answered the door, so the parcel went back to the warehouse.",
    "I added my comments in the margin and kept the old version next to it.",
    "Das Angebot gilt bis zum Ende des Quartals, danach müssen wir neu rechnen.",
    "Können Sie mir bitte die unterschriebene Fassung noch einmal schicken?",
    "Die Prüfung hat ergeben, dass drei Belege fehlen.",
    "Leider ist der Zähler abgelesen worden, bevor der Umbau fertig war.",
    "If the numbers do not match, the archive will tell us who is right.",
    "From what I remember, the warranty ends in spring.",
    "The backup ran through the night; restoring it took eleven minutes.",
    "Let us keep this thread for the file, the auditors will ask for it.",
)
HEADLINES = (
    "Five shelves that fit everywhere",
    "What the new postage rates mean for you",
    "Autumn catalogue: 40 % off everything made of wool",
    "Your weekly digest",
    "Neue Termine für den Herbst",
    "Webinar: keeping records without drowning in them",
)
ANNOUNCEMENTS = (
    "Fire drill on Thursday",
    "Summer party: who brings what",
    "Neue Öffnungszeiten der Kantine",
    "Planned network maintenance",
    "Welcome to our new colleagues",
    "Data protection training is due",
)
FILE_NAMES = ("report", "Rechnung", "minutes", "Übersicht", "plan v2 (final)", "scan0001", "Aufmaß", "签字页")

# Charset, subject and text; each text can be encoded in its charset.
FOREIGN = (
    ("iso-8859-1", "Überweisung bestätigt", "Die Überweisung über 1.200,50 ist heute eingegangen. Schöne Grüße"),
    ("iso-8859-15", "Prix en €", "Le prix est de 1 200 €, œuvre comprise. À bientôt"),
    ("windows-1252", "“Smart quotes” – and dashes", "It’s “done” – see you… at the café"),
    ("iso-8859-2", "Zażółć gęślą jaźń", "Dzień dobry, proszę o przesłanie faktury za maj."),
    ("koi8-r", "Договор поставки", "Добрый день! Высылаю подписанный договор и счёт."),
    ("windows-1251", "Счёт на оплату", "Пожалуйста, оплатите счёт до пятницы."),
    ("iso-2022-jp", "会議のお知らせ", "来週の会議は水曜日の午後三時からです。"),
    ("shift_jis", "見積書の件", "お見積書をお送りいたします。ご確認ください。"),
    ("euc-jp", "納品について", "商品は明日届く予定です。"),
    ("gb2312", "合同草案", "您好，附件是合同草案，请查收。"),
    ("gb18030", "发票", "请在月底之前付款，谢谢。"),
    ("big5", "會議記錄", "附上昨天的會議記錄，請查閱。"),
    ("euc-kr", "견적서", "안녕하세요. 견적서를 보내드립니다."),
    ("windows-1253", "Τιμολόγιο", "Σας στέλνω το τιμολόγιο του Μαΐου."),
    ("windows-1254", "Fatura hakkında", "Merhaba, şubat ayının faturası ektedir. Teşekkürler"),
    ("windows-1255", "חשבונית", "שלום, מצורפת החשבונית לחודש מאי."),
    ("windows-1256", "فاتورة", "مرحبا، تجدون الفاتورة مرفقة."),
    ("tis-620", "ใบแจ้งหนี้", "สวัสดีครับ ส่งใบแจ้งหนี้มาให้ครับ"),
    ("utf-8", "Grüße 👋 aus 東京", "Alles gut hier: παντα ρει, всё течёт, 万物流転. 🎉"),
)

# Every mailbox has the usual folders; the odd ones are typical of what users and migrations leave behind.
USUAL_FOLDERS = (("INBOX",), ("Sent",), ("Drafts",), ("Trash",), ("Archive", "2023"), ("Archive", "2024"))
ODD_FOLDERS = (
    ("Kunden", "Müller & Söhne"),
    ("Kunden", "Weiß", "Angebote"),
    ("Projekte", "2024", "Q4", "Bau", "Pläne", "Entwürfe"),
    ("日本語", "議事録"),
    ("Проекты", "Договоры"),
    ('He said "no"',),
    ("100% done",),
    ("a.b.c", "v1.2"),
    ("back\\slash",),
    ("R&D",),
    ("&AOk- not é",),
    ("(brackets) {7}",),
    ("st*r",),
    ("Receipts ✓ 🧾",),
    ("  two  spaces  ",),
    ("INBOX", "Newsletter"),
    ("Leer",),
)
