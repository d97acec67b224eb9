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
