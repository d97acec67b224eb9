/** Pixels between a word and its note, and between a note and the window's edge. */
const gap = 6;
/** Milliseconds in which a pointer gets from a word to its note. */
const grace = 200;

/** Opens a word's meaning beside it, under pointer, focus and finger; Escape closes it. */
export function explainWords(): void {
  const note = document.createElement('div');
  note.className = 'tip note-of-word';
  note.setAttribute('role', 'tooltip');
  note.hidden = true;
  document.body.append(note);
  let closing: ReturnType<typeof setTimeout> | undefined;
  const close = () => {
    note.hidden = true;
  };
  const open = (word: HTMLAnchorElement) => {
    clearTimeout(closing);
    const meaning = document.querySelector(word.hash);
    if (meaning === null) return;
    const name = document.createElement('strong');
    name.textContent = meaning.previousElementSibling?.textContent ?? '';
    note.replaceChildren(name, ` ${meaning.textContent}`);
    note.hidden = false;
    const at = word.getClientRects()[0]!;
    const { width, height } = note.getBoundingClientRect();
    const room = document.documentElement.clientWidth - width - gap;
    note.style.left = `${Math.max(gap, Math.min(at.left, room))}px`;
    note.style.top = `${at.bottom + gap + height < innerHeight ? at.bottom + gap : at.top - gap - height}px`;
  };
  const wordAt = ({ target }: Event) =>
    target instanceof Element ? target.closest<HTMLAnchorElement>('a.word') : null;
  const follow = (event: Event) => {
    const word = wordAt(event);
    if (word !== null) open(word);
    else if (note.contains(event.target as Node)) clearTimeout(closing);
  };
  const leave = (event: Event) => {
    if (wordAt(event) === null && !note.contains(event.target as Node)) return;
    clearTimeout(closing);
    closing = setTimeout(close, grace);
  };
  document.addEventListener('pointerover', follow);
  document.addEventListener('focusin', follow);
  document.addEventListener('pointerout', leave);
  document.addEventListener('focusout', leave);
  document.addEventListener('click', (event) => {
    const word = wordAt(event);
    // Without script the link leads to the list of words.
    if (word === null) return;
    event.preventDefault();
    open(word);
  });
  document.addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') close();
  });
  addEventListener('scroll', close, { passive: true });
}
