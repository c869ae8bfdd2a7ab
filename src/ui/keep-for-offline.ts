/** How long a page waits for the machine before it fetches everything for later; both at once would slow the boot. */
const AFTER_MS = 20_000;
/** And after the boot: the prompt is not drawn yet when the guest is ready. */
const AFTER_BOOT_MS = 3000;

/**
 * Registers the service worker some time after the first boot, or when the page has been idle for a while. In a file
 * of its own: below the code that runs first, these constants were not there yet when it called.
 */
export function keepForOffline(
  booted: Promise<void>,
  { serviceWorker }: Partial<Pick<Navigator, 'serviceWorker'>> = navigator,
): void {
  if (serviceWorker === undefined) return;
  const passed = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  void Promise.race([booted.then(() => passed(AFTER_BOOT_MS)), passed(AFTER_MS)])
    .catch(() => {})
    .then(() => serviceWorker.register('./sw.js'))
    // Private windows and plain http have none: the page works, only not offline.
    .catch(() => {});
}
