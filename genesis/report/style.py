"""The look of a report, light and dark, and the little script that filters and sorts. Neither holds anybody's text."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["SCRIPT", "STYLE", "policy"]

_LIGHT = (
    "--bg:#ffffff;--fg:#1f2328;--dim:#57606a;--line:#d0d7de;--soft:#f6f8fa;--link:#0757ba;--focus:#0757ba;"
    "--completed:#1a7f37;--cached:#0f766e;--briefed:#6d28d9;--failed:#c62828;--skipped:#656d76;--cancelled:#57606a;"
    "--running:#a84300;--pending:#656d76;--awaiting:#b83b0b;--tried:#c62828;--wait:#656d76;--crit:#9a6700;"
    "--box:#ffffff;color-scheme:light"
)
_DARK = (
    "--bg:#0d1117;--fg:#e6edf3;--dim:#9da7b3;--line:#3d444d;--soft:#161b22;--link:#79b8ff;--focus:#79b8ff;"
    "--completed:#3fb950;--cached:#2dd4bf;--briefed:#b794f6;--failed:#ff7b72;--skipped:#9198a1;--cancelled:#a8b1bb;"
    "--running:#f0b429;--pending:#848d97;--awaiting:#fb923c;--tried:#ff7b72;--wait:#848d97;--crit:#e3b341;"
    "--box:#161b22;color-scheme:dark"
)
_STATES = ("completed", "cached", "briefed", "failed", "skipped", "cancelled", "running", "pending")
_BY_STATE = (
    "".join(f".{state}{{--c:var(--{state})}}" for state in (*_STATES, "tried"))
    + ".awaiting_approval{--c:var(--awaiting)}.budget_exceeded,.refused{--c:var(--failed)}"
)

STYLE = (
    f":root{{{_LIGHT};--lab:15rem}}@media(prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    + _BY_STATE
    + """
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"DejaVu Sans",sans-serif;overflow-wrap:anywhere}
main,header,nav,footer{max-width:84rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1.5rem}
h1{font-size:1.5rem;line-height:1.3;margin:.2rem 0 .6rem;font-weight:650}
h2{font-size:1.2rem;margin:2.4rem 0 .7rem;padding-top:.6rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .4rem}
a{color:var(--link)}
code,pre{font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);border:1px solid var(--line);border-radius:6px;
padding:.6rem .8rem;margin:.3rem 0;max-height:32rem;overflow:auto;unicode-bidi:plaintext}
:focus-visible{outline:2px solid var(--focus);outline-offset:2px;border-radius:3px}
.dim{color:var(--dim)}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-99rem;top:.5rem;background:var(--bg);padding:.4rem .8rem;z-index:9}
.skip:focus{left:.5rem}
.kicker{color:var(--dim);margin:0}
.request{margin:.2rem 0 1rem;max-width:70rem}
.request summary{font-size:1.35rem;font-weight:650;line-height:1.3;cursor:pointer}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
.facts dt{color:var(--dim)}.facts dd{margin:0}
.pill{display:inline-block;border:1px solid var(--c,var(--line));color:var(--c,var(--fg));border-radius:99px;
padding:0 .6em;font-size:.87em;white-space:nowrap}
h1 .pill{font-size:.75em;vertical-align:.15em}
.failed,.error{color:var(--failed)}.warning{color:var(--crit)}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;list-style:none;padding:0;margin:1.2rem 0 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(11.5rem,1fr));gap:.7rem;margin:1.2rem 0;padding:0}
.cards div{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:.6rem .8rem}
.cards dt{color:var(--dim);font-size:.87rem}
.cards dd{margin:0;font-size:1.3rem;font-weight:600;line-height:1.3}
.cards dd small{display:block;font-size:.82rem;font-weight:400;color:var(--dim)}
.states{display:flex;flex-wrap:wrap;gap:.4rem;margin:.6rem 0;padding:0;list-style:none}
#filter{display:flex;flex-wrap:wrap;gap:.6rem 1rem;align-items:end;margin:1rem 0;padding:.7rem .8rem;
background:var(--soft);border:1px solid var(--line);border-radius:8px}
#filter[hidden]{display:none}
#filter div{display:grid}#filter label{font-size:.87rem;color:var(--dim)}
input,select,button{font:inherit;color:var(--fg);background:var(--bg);border:1px solid var(--wait);border-radius:6px;
padding:.3rem .5rem;max-width:100%}
button{cursor:pointer}
.scroll{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;width:100%;font-size:.93rem}
caption{text-align:left;color:var(--dim);padding:.2rem 0;font-size:.87rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line);
min-width:3.5rem;max-width:32rem;overflow-wrap:break-word}
td.wide{min-width:15rem}tbody th{min-width:8rem}td code{white-space:nowrap}
thead th{border-bottom:2px solid var(--line);white-space:nowrap}
tbody th{font-weight:500}
tbody th code{white-space:nowrap}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td time,th time,td .pill{white-space:nowrap}
thead button{border:0;background:none;padding:0;font-weight:600;text-decoration:underline dotted;
text-underline-offset:.25em}
[aria-sort=ascending] button::after{content:" ▲"}[aria-sort=descending] button::after{content:" ▼"}
.key{color:var(--crit);font-size:.8em;border:1px solid var(--crit);border-radius:99px;padding:0 .45em}
.plot{position:relative;margin-top:.5rem}
.grid{position:absolute;left:var(--lab);right:0;top:0;bottom:0;pointer-events:none}
.grid i{position:absolute;top:1.4rem;bottom:0;border-left:1px solid var(--line);opacity:.7}
.grid i.break{border:0;opacity:1;background:repeating-linear-gradient(-45deg,var(--line) 0 2px,transparent 2px 6px)}
.grid i.m{border-left:1px dashed var(--c);opacity:.9}
.m.opened{--c:var(--failed)}.m.half{--c:var(--running)}.m.closed{--c:var(--completed)}.m.plan{--c:var(--link)}
.row{display:grid;grid-template-columns:var(--lab) minmax(0,1fr);position:relative;min-height:1.5rem}
.row .name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding-right:.6rem;font-size:.9rem}
.row .name a{color:inherit;text-decoration:none}.row .name a:hover{text-decoration:underline}
.group .name{padding-left:1.1rem}
.group>summary{cursor:pointer;font-weight:600;font-size:.9rem;padding:.15rem 0;position:relative;width:fit-content;
max-width:100%;background:var(--bg)}
.group>summary .dim{font-weight:400}
.track{position:relative;min-height:1.5rem}
.leaf:hover,.leaf:focus-within{background:color-mix(in srgb,var(--link) 9%,transparent)}
.axis .track span{position:absolute;font-size:.78rem;color:var(--dim);white-space:nowrap;padding-left:.2rem}
.axis .track span.last{transform:translateX(-100%);padding:0 .2rem 0 0}
.moments .name{color:var(--dim)}
.moments .m{position:absolute;transform:translateX(-50%);text-decoration:none;color:var(--c);font-size:.95rem;
line-height:1.5rem;min-width:1.5rem;text-align:center}
.pause{position:absolute;transform:translateX(-50%);color:var(--dim)}
.bar,.wait{position:absolute;min-width:3px;border-radius:3px}
.bar{top:.3rem;height:.9rem;background:var(--c)}
.bar.tried{background:repeating-linear-gradient(-45deg,var(--c) 0 3px,transparent 3px 6px);border:1px solid var(--c)}
.bar.running{border-right:3px double var(--bg)}
.wait{top:.7rem;height:0;border-top:2px dotted var(--wait);border-radius:0}
.wait.group{border-top-style:dashed;border-color:var(--link)}
.crit .bar{box-shadow:0 .28rem 0 -.02rem var(--crit)}
.crit .name a{font-weight:650}
.mk{display:inline-block;min-width:1em;text-align:center;color:var(--c)}
.tip{display:none;position:absolute;z-index:5;left:var(--lab);top:1.5rem;background:var(--bg);color:var(--fg);
border:1px solid var(--wait);border-radius:6px;padding:.25rem .6rem;font-size:.85rem;max-width:calc(100% - var(--lab));
box-shadow:0 2px 8px #0003}
.leaf:hover .tip,.leaf:focus-within .tip{display:block}
.quiet .tip{display:none!important}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;color:var(--dim);font-size:.85rem}
.legend span{display:inline-flex;align-items:center;gap:.4rem}
.legend i{position:static;display:inline-block;width:1.8rem}
.legend .key{padding:0;border:0;border-radius:0;height:.28rem;background:var(--crit)}
.dag{display:block;max-width:none}
.dag path{fill:none;stroke:var(--wait);stroke-width:1.3}.dag .head,.dag circle{fill:var(--wait)}
.dag rect{fill:var(--box);stroke:var(--c,var(--line));stroke-width:1.6}
.dag .crit rect{stroke-width:3.5}
.dag .failed rect{fill:color-mix(in srgb,var(--failed) 12%,var(--box))}
.dag text{fill:var(--fg);text-anchor:middle;font-size:11.5px;font-weight:600}
.dag .n{fill:var(--c,var(--dim));font-size:10.5px;font-weight:400}
.dag a:focus-visible rect{stroke:var(--focus);stroke-width:4}
details.task{border-bottom:1px solid var(--line)}
details.task>summary{cursor:pointer;padding:.3rem 0}
details.task:target>summary{background:color-mix(in srgb,var(--link) 14%,transparent)}
dl{margin:.3rem 0 1rem}
details.task dl{display:grid;grid-template-columns:9rem minmax(0,1fr);gap:.3rem 1rem;padding-left:1.4rem}
details.task dt{color:var(--dim)}details.task dd{margin:0;min-width:0}
.long{white-space:pre-wrap;max-height:24rem;overflow:auto}
.root{border-left:3px solid var(--failed);padding-left:.9rem;margin:.8rem 0}
footer{color:var(--dim);padding-top:2rem;padding-bottom:2rem;font-size:.87rem}
[hidden]{display:none!important}
@media(max-width:44rem){
:root{--lab:0px}
.row{display:block}.row .name{padding:.2rem .4rem 0 0;position:relative;z-index:1;background:var(--bg);
width:fit-content;max-width:100%}.axis>div:first-child{display:none}
.tip{left:0;top:auto;max-width:100%}
.axis .odd{display:none}
.facts,details.task dl{grid-template-columns:1fr;gap:0 1rem}
details.task dl{padding-left:.4rem}.facts dt,details.task dt{margin-top:.4rem}
main,header,nav,footer{padding-left:.9rem;padding-right:.9rem}
.cards{grid-template-columns:repeat(auto-fill,minmax(9rem,1fr))}
}
@media print{
"""
    + f":root{{{_LIGHT};--lab:11rem}}"
    + """
body{font-size:11px;-webkit-print-color-adjust:exact;print-color-adjust:exact}
nav,#filter,.skip{display:none}
details::details-content{content-visibility:visible;display:block;height:auto}
pre,.long{max-height:none}.scroll{overflow:visible}
.row,tr,.root{break-inside:avoid}h2{break-after:avoid}
}
"""
)

SCRIPT = """'use strict';
(function () {
  const d = document, all = (s, e) => Array.from((e || d).querySelectorAll(s));
  const open = () => {
    let at = null;
    try { at = d.getElementById(decodeURIComponent(location.hash.slice(1))); } catch (e) { return; }
    if (at && at.tagName === 'DETAILS') { at.open = true; at.scrollIntoView(); }
  };
  addEventListener('hashchange', open);
  all('a[href^="#t"]').forEach(a => a.addEventListener('click', () => {
    const at = d.getElementById((a.getAttribute('href') || '').slice(1));
    if (at) { at.hidden = false; at.open = true; }
  }));
  open();
  addEventListener('keydown', e => { if (e.key === 'Escape') d.body.classList.add('quiet'); });
  ['focusin', 'mousemove'].forEach(n => addEventListener(n, () => d.body.classList.remove('quiet')));
  addEventListener('beforeprint', () => all('details').forEach(x => { x.open = true; }));
  const form = d.getElementById('filter');
  if (form) {
    const words = d.getElementById('words'), state = d.getElementById('state'), count = d.getElementById('count');
    const tasks = all('details.task'), rows = all('.leaf,.tasks tbody tr'), groups = all('.group');
    const texts = new Map(tasks.map(t => [t.dataset.t, t.querySelector('summary').textContent.toLowerCase()]));
    const states = new Map(tasks.map(t => [t.dataset.t, t.dataset.s]));
    const filter = () => {
      const wanted = words.value.toLowerCase(), only = state.value;
      const fits = id => texts.get(id).includes(wanted) && (!only || states.get(id) === only);
      let shown = 0;
      tasks.forEach(t => { t.hidden = !fits(t.dataset.t); shown += t.hidden ? 0 : 1; });
      rows.forEach(r => { r.hidden = !fits(r.dataset.t); });
      groups.forEach(g => { g.hidden = !g.querySelector('.leaf:not([hidden])'); });
      count.textContent = shown + ' of ' + tasks.length + ' tasks shown';
    };
    form.hidden = false;
    words.addEventListener('input', filter);
    state.addEventListener('change', filter);
    form.addEventListener('reset', () => setTimeout(filter));
    form.addEventListener('submit', e => e.preventDefault());
  }
  const value = c => c.dataset.v === undefined ? c.textContent.trim().toLowerCase() : Number(c.dataset.v);
  all('table.sortable').forEach(t => all('thead th', t).forEach((th, n) => {
    const b = d.createElement('button');
    b.type = 'button';
    b.textContent = th.textContent;
    th.replaceChildren(b);
    b.addEventListener('click', () => {
      const down = th.getAttribute('aria-sort') === 'ascending', way = down ? -1 : 1, body = t.tBodies[0];
      all('thead th', t).forEach(x => x.removeAttribute('aria-sort'));
      th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const sorted = all('tr', body).map(r => [value(r.cells[n]), r]);
      sorted.sort((a, b) => way * (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      body.append(...sorted.map(p => p[1]));
    });
  }));
})();
"""


def policy() -> str:
    """Return the content security policy: nothing is loaded, and no script runs but our own."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
