// The time, for what changes by itself: a count-down, a pause that ends, the plot of the last minutes.

/**
 * The time in milliseconds, renewed every `every()` milliseconds while the page is visible; none: it stands still, and
 * nothing is drawn. Call it while a component is set up.
 */
export function clock(every: () => number | null): { readonly now: number } {
  let now = $state(Date.now());
  $effect(() => {
    const period = every();
    now = Date.now();
    if (period === null) return;
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible') now = Date.now();
    }, period);
    return () => {
      clearInterval(timer);
    };
  });
  return {
    get now() {
      return now;
    },
  };
}
