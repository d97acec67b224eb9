const themes = ['', 'light', 'dark'] as const;
const names: Record<(typeof themes)[number], string> = { '': 'as the system', light: 'light', dark: 'dark' };

/** The button goes round: as the system, light, dark. */
export function switchTheme(): void {
  const root = document.documentElement;
  const button = document.querySelector<HTMLButtonElement>('[data-theme-switch]');
  if (button === null) return;
  const show = () => {
    const theme = (root.dataset.theme ?? '') as (typeof themes)[number];
    button.textContent = `Theme: ${names[theme]}`;
  };
  button.addEventListener('click', () => {
    const at = themes.findIndex((theme) => theme === (root.dataset.theme ?? ''));
    const next = themes[(at + 1) % themes.length]!;
    if (next === '') delete root.dataset.theme;
    else root.dataset.theme = next;
    remember(next);
    show();
  });
  show();
}

/** A browser may refuse storage to a file; then the choice lasts as long as the page. */
function remember(theme: string): void {
  try {
    localStorage.setItem('tokenwork-theme', theme);
  } catch {
    return;
  }
}

/** Radio buttons that choose the metric of all panels in their article. */
export function switchMetrics(): void {
  for (const fieldset of document.querySelectorAll<HTMLFieldSetElement>('[data-metric-switch]')) {
    const article = fieldset.closest('article') ?? document.body;
    fieldset.addEventListener('change', ({ target }) => {
      if (!(target instanceof HTMLInputElement)) return;
      for (const panel of article.querySelectorAll<HTMLElement>('[data-metric]')) {
        panel.hidden = panel.dataset.metric !== target.value;
      }
    });
  }
}

/** A button unfolds all that its article has folded but the charts' numbers, and folds it up again. */
export function unfoldAll(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-unfold]')) {
    const folded = [
      ...(button.closest('article') ?? document.body).querySelectorAll<HTMLDetailsElement>('details'),
    ].filter((details) => details.closest('.chart') === null);
    button.hidden = folded.length === 0;
    button.addEventListener('click', () => {
      const open = folded.some((details) => !details.open);
      for (const details of folded) details.open = open;
      button.textContent = open ? 'Fold all' : 'Unfold all';
    });
  }
}
