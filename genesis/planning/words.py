"""What the heuristic level knows about English words: verbs of work, polite wrapping, stems and small spelling slips.

The tables are closed sets of everyday words. They decide where a clause begins and whether it asks for something; they
never decide alone what a request means.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = [
    "LIGHT_VERBS",
    "POLITE",
    "SOFT_VERBS",
    "STOP_WORDS",
    "base_verb",
    "content_stems",
    "is_noun_too",
    "is_verb",
    "same_word",
    "starts_noun_phrase",
    "stem",
    "strip_polite",
    "words",
]

_VERBS = frozenset(
    """
    accept achieve acquire activate adapt add adjust advertise advise allocate analyse analyze announce answer apply
    arrange ask assemble assess assign attach audit automate bake become begin book bring brainstorm browse build buy
    calculate cancel carry categorise categorize celebrate check choose classify clean clear click clone close code
    collect combine compare compile complete compose compress compute conduct configure confirm connect consider
    consolidate construct contact convert cook coordinate copy correct count crawl create crop customise customize cut
    debug decide decode decorate decrypt define delete deliver deploy describe design detect determine develop diagnose
    disable discover discuss display distribute document download draft draw drive edit eliminate email embed emphasise
    enable encode encrypt enhance ensure enter establish estimate evaluate examine execute expand explain explore export
    extend extract fetch figure file fill filter finalise finalize find finish fix follow forecast format formulate
    forward gather generate get give go grade grant group handle harden help highlight hire host identify illustrate
    implement import improve include incorporate inform initialise initialize insert inspect install integrate interview
    introduce inventory investigate invite issue join keep label launch learn let link list load locate log look make
    manage map mark measure merge migrate minimise minimize mix modify monitor move name negotiate normalise normalize
    notify obtain offer open optimise optimize order organise organize outline package paint parse pay perform pick pin
    place plan play polish post predict prepare present preserve price prioritise prioritize print process procure
    produce profile program promote propose protect prototype prove provide provision publish purchase push put query
    rank read recommend reconcile record recover recruit redesign reduce refactor refine register release remind remove
    rename render repair replace reply report request research reserve reset resolve respond restart restore restructure
    retrieve return revert review revise rewrite roll rotate run sanitise sanitize save scale scan schedule scrape search
    secure seed select sell send separate set setup share ship show sign simulate simplify sketch sort specify split
    stage start stop store streamline study submit subscribe suggest summarise summarize survey switch sync synthesise
    synthesize tag take teach tell test tidy track train transcribe transfer transform translate trim troubleshoot tune
    turn tweet undertake uninstall unify update upgrade upload use validate verify view visit visualise visualize warn
    wash watch weigh wire work wrap write archive back bump commit containerise containerize crop dockerise dockerize eat fork
    hire invest invoke lint mock rebase resize rotate scaffold solve stub talk unzip zip abort append apologise apologize
    call claim complain consult deposit enquire exchange greet hear ignore inquire know leave mail message modify pack
    pause rebook renew rent resume see skip stream swap text understand unpack wait withdraw plot sum fold feed water paint ping bundle mint vote eat seek ensure
    restock relocate reorder reply resend retry rerun reopen repeat
    """.split()
)

_NOUNS_TOO = frozenset(
    """
    address audit benchmark book build campaign change check clone code copy cut design document draft email estimate
    export file filter finish forecast format grade group help host import inventory issue label launch link list load
    log look map mark measure mix monitor name offer order outline package pay pin place plan play post present price
    print process produce profile program prototype query rank read record release repair reply report request research
    reset return review roll run sample sample save scale scan schedule search seed set setup share ship show sign sketch
    sort split stage start stop store study survey switch sync tag take test track train transfer turn update upgrade use
    view visit wash watch work wrap
    """.split()
)

LIGHT_VERBS = frozenset(
    """
    begin carry complete conduct create deliver do execute get give have kick make need perform prepare produce provide
    run start undertake want
    """.split()
)
"""Verbs that leave the meaning to their object: "do an audit", "give me a report"."""

SOFT_VERBS = frozenset("assume avoid become consider ensure follow include keep let note use".split())
"""Verbs that restrain other work rather than ask for some: "ensure that …", "keep it short"."""

STOP_WORDS = frozenset(
    """
    a about all also an and any are as at be been but by can could do does each for from had has have he her his how i if
    in into is it its just me my of on or our please she should so some such that the their them then there these they
    this those to up us was we were what when where which while who will with would you your
    """.split()
)

_FIXED_DETERMINERS = frozenset("a an the this that these those my our your his her its their each every all any".split())

POLITE = re.compile(
    r"""^(?:
      \s+ | [,:!.…–—-]+
      | (?:hello|hi|hey|dear)(?:\s+(?:there|all|team|genesis|everyone|assistant))? (?=[\s,.!]|$)
      | (?:please|pls|plz|kindly|ok(?:ay)?|well|so|now|alright|thanks|thank\ you|good\ (?:morning|afternoon|evening)) \b
      | (?:(?:can|could|would|will|might)\ (?:you|u|we|someone|somebody))
          (?:\ (?:please|kindly|maybe|perhaps|possibly|also|then|help\ me(?:\ to)?|help\ us(?:\ to)?|just|be\ so\ kind\ as\ to))* \b
      | (?:i|we)\ (?:need|want|would\ like|wish|expect|'d\ like|would\ love|require|have)(?:\ (?:you|u|someone|us))?\ to \b
      | (?:i|we)['’]d\ (?:like|love)(?:\ (?:you|someone|us))?\ to \b
      | (?:i'm|i\ am|we're|we\ are)\ (?:going|asking\ you|trying|hoping)\ to \b
      | (?:i|we)\ (?:would\ )?(?:like|need|want)\ your\ (?:help|assistance)\ (?:to|in|with) \b
      | (?:you\ (?:should|must|need\ to|have\ to|will|can|could|are\ to)) \b
      | (?:your\ (?:task|job|goal|mission)\ is\ to) \b
      | (?:the\ (?:task|job|goal|aim)\ is\ to) \b
      | (?:help\ (?:me|us)(?:\ to)?) \b (?!\s+(?:with|in|on)\b)
      | (?:let['’]?s|let\ us) \b
      | (?:go\ ahead\ and|be\ sure\ to|make\ sure\ (?:you|to)|do\ not\ forget\ to|don['’]t\ forget\ to|remember\ to|try\ to
          |proceed\ to|feel\ free\ to|do\ me\ a\ favou?r\ and|would\ you\ mind) \b
      | (?:quickly|carefully|thoroughly|simply|kindly|briefly|fully|properly|also|just|maybe|perhaps) \b
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""One piece of polite wrapping at the beginning of a clause."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def words(text: str) -> list[str]:
    """Give the words of a text in lower case."""
    return [match[0].lower().replace("’", "'") for match in _WORD.finditer(text)]


def strip_polite(text: str) -> str:
    """Take greetings, "please", "could you" and the like off the beginning of a clause."""
    while text and (match := POLITE.match(text)):
        text = text[match.end() :]
    return text


def is_verb(word: str) -> bool:
    """Whether a word can be an imperative verb."""
    return word.lower() in _VERBS or word.lower() in _NOUNS_TOO


def is_noun_too(word: str) -> bool:
    """Whether a verb is a common noun as well, so that it does not begin a clause by itself."""
    return word.lower() in _NOUNS_TOO


def starts_noun_phrase(word: str) -> bool:
    """Whether a word is an article or another determiner."""
    return word.lower() in _FIXED_DETERMINERS


def base_verb(word: str) -> str | None:
    """Give the base form of a verb of work in any of its forms ("building", "tested"), or None.

    Verbs that only colour other work ("keeping", "using") have none.
    """
    word = word.lower()
    for candidate in _base_forms(word):
        if is_verb(candidate):
            return None if candidate in SOFT_VERBS else candidate
    return _IRREGULAR.get(word)


_IRREGULAR = {
    "built": "build",
    "chosen": "choose",
    "done": "do",
    "drawn": "draw",
    "found": "find",
    "made": "make",
    "run": "run",
    "sent": "send",
    "sold": "sell",
    "taken": "take",
    "written": "write",
}


def _base_forms(word: str) -> list[str]:
    forms = [word]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            root = word[: -len(ending)]
            forms += [root, root + "e"]
            if root[-1] == root[-2]:
                forms.append(root[:-1])
    if word.endswith("ied"):
        forms.append(word[:-3] + "y")
    return forms


@lru_cache(maxsize=1)
def _stemmer() -> object:
    import Stemmer

    return Stemmer.Stemmer("english")


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """Give the Snowball stem of an English word (Porter 2001)."""
    return str(_stemmer().stemWord(word.lower()))  # type: ignore[attr-defined]  # the package has no type hints


def content_stems(text: str) -> list[str]:
    """Give the stems of the words that carry meaning, in order, repeats included."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def same_word(left: str, right: str) -> bool:
    """Whether two stems are the same but for a slip of the pen.

    One letter wrong, missing, added or swapped is forgiven in words of five letters or more that begin alike.
    """
    if left == right:
        return True
    if min(len(left), len(right)) < 5 or left[0] != right[0] or abs(len(left) - len(right)) > 1:
        return False
    return _one_edit_apart(left, right)


def _one_edit_apart(left: str, right: str) -> bool:
    """Whether one insertion, deletion, substitution or swap of neighbours turns one word into the other."""
    start = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    one, other = left[start:], right[start:]
    return (
        one[1:] == other
        or one == other[1:]
        or one[1:] == other[1:]
        or (one[:2] == other[:2][::-1] and one[2:] == other[2:])
    )
