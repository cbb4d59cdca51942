"""Names of folders that are excluded by default, for servers that do not mark them (RFC 6154).

The names are those that Outlook, Exchange, Thunderbird, Apple Mail, Zimbra, Kerio, MDaemon, Roundcube and Horde use, in
the languages that they support.
"""

from __future__ import annotations

from unicodedata import normalize

from muniment.model.folder_scope import FolderRole

_NAMES = {
    FolderRole.DELETED: """
        Trash, Deleted Items, Deleted Messages, Bin, Wastebasket
        Papierkorb, Gelöschte Elemente, Gelöschte Objekte, Gelöschte Nachrichten, Gelöscht
        Corbeille, Éléments supprimés, Messages supprimés
        Papelera, Papelera de reciclaje, Elementos eliminados, Mensajes eliminados, Eliminados
        Cestino, Posta eliminata, Messaggi eliminati, Elementi eliminati
        Prullenbak, Prullenmand, Verwijderde items, Verwijderd
        Lixeira, Lixo, Itens excluídos, Itens eliminados, Mensagens excluídas
        Kosz, Elementy usunięte, Usunięte
        Koš, Odstraněná pošta, Odstraněné položky, Kôš, Odstránené položky
        Papperskorgen, Borttaget, Borttagna objekt
        Papirkurv, Slettet post, Slettede elementer, Slettede meldinger
        Roskakori, Poistetut, Poistetut viestit
        Корзина, Удаленные, Удалённые, Кошик, Видалені
        Çöp kutusu, Çöp Kutusu, Silinmiş Öğeler
        Kuka, Lomtár, Törölt elemek
        Coș de gunoi, Elemente șterse, Кошче, Изтрити, Smeće, Izbrisano
        Κάδος, Κάδος απορριμμάτων, Διαγραμμένα
        ごみ箱, ゴミ箱, 削除済みアイテム, 已删除邮件, 已删除, 垃圾桶, 刪除的郵件, 지운 편지함, 휴지통
    """,
    FolderRole.DRAFTS: """
        Drafts, Draft
        Entwürfe, Entwurf
        Brouillons
        Borradores, Borrador
        Bozze
        Concepten
        Rascunhos
        Szkice, Kopie robocze, Wersje robocze
        Koncepty, Rozepsané
        Utkast, Utkaster, Kladder, Kladde
        Luonnokset
        Черновики, Чернетки
        Taslaklar
        Piszkozatok
        Ciorne, Чернови, Skice
        Πρόχειρα
        下書き, 草稿, 草稿箱, 임시 보관함
    """,
    FolderRole.JUNK: """
        Junk, Junk E-mail, Junk E-Mail, Junk Email, Junk Mail, Spam, Bulk Mail
        Spamverdacht, Unerwünscht, Unerwünschte Werbung
        Courrier indésirable, Pourriel, Indésirables
        Correo no deseado, Correo basura
        Posta indesiderata
        Ongewenste e-mail
        Lixo eletrônico, Lixo eletrónico, Lixo Eletrônico
        Wiadomości-śmieci, Wiadomości śmieci
        Nevyžádaná pošta
        Skräppost
        Søppelpost, Uønsket e-post, Uønsket mail, Uønsket post
        Roskaposti
        Спам, Нежелательная почта, Небажана пошта
        Önemsiz, Önemsiz E-posta
        Levélszemét
        Ανεπιθύμητα
        迷惑メール, 垃圾邮件, 垃圾郵件, 스팸 메일함, 정크 메일
    """,
    FolderRole.OUTBOX: """
        Outbox
        Postausgang
        Boîte d'envoi
        Bandeja de salida
        Posta in uscita
        Postvak UIT
        Caixa de saída
        Skrzynka nadawcza
        Pošta k odeslání
        Utkorgen, Utboks, Udbakke
        Lähtevät
        Исходящие, Вихідні
        Giden Kutusu
        Postázandó üzenetek, Kimenő üzenetek
        Εξερχόμενα
        送信トレイ, 发件箱, 寄件匣, 보낼 편지함
    """,
}

#: The attributes of RFC 6154, which defines none for the outbox.
SPECIAL_USE = {
    "\\trash": FolderRole.DELETED,
    "\\drafts": FolderRole.DRAFTS,
    "\\junk": FolderRole.JUNK,
    "\\spam": FolderRole.JUNK,  # XLIST, the predecessor of RFC 6154
}

_ROLES = {
    normalize("NFC", name.strip()).casefold(): role
    for role, names in _NAMES.items()
    for line in names.strip().splitlines()
    for name in line.split(",")
}


def role_of_name(name: str) -> FolderRole | None:
    """Return the role of a folder with this name by convention, or None."""
    return _ROLES.get(normalize("NFC", name).casefold())
