"""The words of a question that say what it is about."""

from __future__ import annotations

from aquilon.text.words import words_of

MOST_WORDS = 24

_COMMON = frozenset(
    words_of(
        """
        c d j l m n s t
        a an and are as at be been but by can did do does for from had has have he her his how i if in into is
        it its me my no not of on or our she so than that the their them then there these they this to was we
        were what when where which who whom whose why will with would you your about tell say said says
        au aux avec ce ces cette comment dans de des du elle elles en est et etait ete etre il ils je la le
        les leur leurs lui mais me mes moi mon ne nos notre nous on ou par pas pour pourquoi qu que quel
        quelle quelles quels qui quoi sa se ses si son sont sur ta tu un une vos votre vous y quand
        aber als am an auch auf aus bei bin bis das dass dem den der des die dies diese doch du ein eine einem
        einen einer eines er es fur hat hatte ich ihm ihn ihr im in ist ja kann man mein mit nach nicht noch
        nur oder sein seine sich sie sind so uber um und uns unter vom von vor wann war waren warum was welche
        welcher welches wenn wer werden wie wird wo zu zum zur wurde
        al como con cual cuales cuando de del donde dos el ella ellas ellos en era es esta este fue ha hay la
        las le les lo los mas me mi muy no nos o para pero por porque que quien quienes se ser si sin sobre
        son su sus tan te tu un una y ya
        ai al alla alle anche che chi ci col come con cosa cui da dal dalla dei del della delle di dove e ed
        era essere fu gli ha hanno i il in la le lo ma mi nel nella non o per perche piu qual quale quali
        quando quanto quello questa questo se si sono sua suo tra un una uno
        """
    ).split()
)
"""Words that most texts have, in five languages, and letters that an apostrophe cuts off: they say nothing, and each
makes a search longer."""


def question_words(question: str) -> list[str]:
    """The folded words to search for, in order; all of them where none says more than another."""
    words = dict.fromkeys(words_of(question).split())
    telling = [word for word in words if word not in _COMMON]
    return (telling or list(words))[:MOST_WORDS]
