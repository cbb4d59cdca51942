"""The languages whose words are stemmed, and the frequent words that reveal the language of a text."""

from __future__ import annotations

#: Names of the Snowball stemmers for languages in Latin script; their order is the order of the bits in `STOP_WORDS`.
LATIN = ("english", "german", "french", "spanish", "italian", "dutch", "portuguese")

#: The stemmer for all words in Cyrillic script.
RUSSIAN = "russian"

# Frequent function words, with accents folded. A word of several languages is evidence for each of them.
_COMMON = {
    "english": (
        "the of and to in is you that it he was for on are as with his they be at this have from or had by but not"
        " what all were we when your can said there an which she do how their if will about would these has been"
        " our please could should who its just no more any"
    ),
    "german": (
        "der die das und in zu den nicht von sie ist des sich mit dem dass er es ein ich auf so eine auch als an nach"
        " wie im fur man aber aus durch wenn nur war noch werden bei hat wir was wird sein einen welche sind oder um"
        " haben einer mir uber ihm diese einem ihr uns da zum kann doch ihnen bitte"
    ),
    "french": (
        "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec vous nous"
        " ou mais leur cette ces aux sa son ses je elle tout comme votre notre bien etre fait si sans etait ete avez"
    ),
    "spanish": (
        "de la que el en y a los del se las por un para con no una su al lo como mas pero sus le ya o este si porque"
        " esta entre cuando muy sin sobre tambien me hasta hay donde quien desde todo nos durante es son fue ha usted"
    ),
    "italian": (
        "di e il la che in un a per non una sono con si da le i del della come al dei gli piu ma alla nel anche lo"
        " delle ha ci o se mi questo questa degli dal essere dalla sul era cui quando ho nella tutti molto suo"
    ),
    "dutch": (
        "de en van het een in is dat op te zijn met voor niet aan er om ook als dan maar bij of uit nog naar heeft"
        " hebben wordt werd deze die door over ze hij wij we je jullie kan geen meer wat al zo tot tegen was onze"
    ),
    "portuguese": (
        "de a o que e do da em um para com nao uma os no se na por mais as dos como mas ao ele das seu sua ou quando"
        " muito nos ja eu tambem so pelo pela ate isso ela entre depois sem mesmo aos seus quem nas me esse voce"
    ),
}


def _stop_words() -> dict[str, int]:
    bits: dict[str, int] = {}
    for number, language in enumerate(LATIN):
        for word in _COMMON[language].split():
            bits[word] = bits.get(word, 0) | 1 << number
    return bits


#: For each folded word, the languages that it is evidence for, as bits.
STOP_WORDS = _stop_words()
