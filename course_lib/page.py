"""What the page that holds an explorer must be told: its style, and the names of its controls for screen readers.

Core ipywidgets give the handle of a slider no name, tell the number of its stop instead of what it stands for, and
show which button of a choice is pressed by colour alone. dressing() is a piece of HTML that puts that right in the page
itself, once it is shown there. Where a page forbids scripts, the explorer works all the same.
"""

import html
import re

from course_lib import theme

EXPLORER, CONTROLS, SENTENCE = "course-explorer", "course-controls", "course-said"  # classes of widgets

# Letters need more contrast than lines. On a light page their colours become these, on a dark page those: 4.5 or more.
ON_LIGHT = {
    theme.DERIVATIVE["color"]: "#b34f00", theme.TANGENT["color"]: "#00755a", theme.SECANT["color"]: "#a3477c",
    theme.SECOND["color"]: "#8a5e00", theme.GRID: "#6b6b6b",
}
ON_DARK = {theme.FUNCTION["color"]: "#4aa8e0", theme.DERIVATIVE["color"]: "#f07a26", theme.SECANT["color"]: "#d583b1"}

NAMES = """
const box = this.closest('.EXPLORER')
const set = (node, pairs) => {
  for (const [key, value] of Object.entries(pairs)) if (node && node.getAttribute(key) !== value) node.setAttribute(key, value)
}
const name = control => {
  const label = control.querySelector('.widget-label')?.textContent.trim()
  const readout = control.querySelector('.widget-readout')
  if (readout) set(control.querySelector('[role=slider]'), {'aria-label': label, 'aria-valuetext': readout.textContent})
  if (readout?.isContentEditable) set(readout, {role: 'textbox', 'aria-label': label + ', typed'})
  const buttons = [...control.querySelectorAll('button')]
  if (control.matches('.widget-toggle-buttons')) {
    set(control, {role: 'group', 'aria-label': label})
    for (const one of buttons) set(one, {'aria-pressed': String(one.classList.contains('mod-active'))})
  }
  if (control.matches('.widget-play')) {
    const played = control.previousElementSibling?.querySelector('.widget-label')?.textContent.trim()
    const words = [(control.querySelector('.fa-pause') ? 'pause ' : 'play ') + played, played + ' back to the start']
    buttons.slice(0, 2).forEach((button, i) => set(button, {'aria-label': words[i], title: words[i]}))
  }
}
const start = () => {
  const row = box.querySelector('.CONTROLS'), said = box.querySelector('.SENTENCE')
  if (!row || !said) return  // they are still on their way
  box.courseNames.disconnect()
  const follow = changes => {
    const busy = row.querySelector('.fa-pause, button:enabled[title^="stop after"]')  // nobody can listen so fast
    set(said, {role: 'status', 'aria-live': busy ? 'off' : 'polite', 'aria-atomic': 'true'})
    for (const control of row.children) if (changes.some(({target}) => target === row || control.contains(target))) name(control)
  }
  // Only the controls are watched: what they move is much more, and should not wait for this.
  new MutationObserver(follow).observe(
    row, {childList: true, subtree: true, attributeFilter: ['class', 'disabled', 'aria-valuetext']})
  follow([...row.children].map(target => ({target})))
}
if (box && !box.courseNames) {
  box.courseNames = new MutationObserver(start)
  box.courseNames.observe(box, {childList: true})
  start()
}
"""


def dressing():
    """HTML for one explorer: its style, and what names its controls as soon as it is seen."""
    return f'<style>{STYLE}</style><i style="animation:course-seen 1ms" onanimationstart="{html.escape(_SCRIPT)}"></i>'


def _letters(colours, light):
    """What the colours of letters are on a light or on a dark page."""
    names = ";".join(f"--course-{old[1:].lower()}:{new}" for old, new in colours.items())
    return f"[data-jp-theme-light={str(light).lower()}] .{EXPLORER}{{{names}}}"


STYLE = (
    "@keyframes course-seen{}"
    f".{EXPLORER} .widget-label{{flex-shrink:0}}"
    f".{EXPLORER} .widget-play .jupyter-button{{padding:0;text-overflow:clip}}"
    f"@media (prefers-reduced-motion:reduce){{.{EXPLORER} .widget-play{{display:none}}}}"
    + _letters(ON_LIGHT, light=True) + _letters(ON_DARK, light=False)
    # no class before text: a panel drawn by <use> inherits the names of colours, but is in no box of the page
    + "".join(f'text[style*="{old}"]{{fill:var(--course-{old[1:]},{old})!important}}'
              for old in sorted({colour.lower() for colour in (*ON_LIGHT, *ON_DARK)}))
)
_SCRIPT = re.sub(r"\s*\n\s*", "\n", NAMES).strip()
for _word, _class in (("EXPLORER", EXPLORER), ("CONTROLS", CONTROLS), ("SENTENCE", SENTENCE)):
    _SCRIPT = _SCRIPT.replace(f".{_word}", f".{_class}")
