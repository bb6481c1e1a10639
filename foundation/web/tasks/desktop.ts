/*
 * Notifications of the desktop, for whoever has this page open and looks elsewhere. The browser asks the person once, when they first set a
 * reminder; who refuses sees reminders in the page only.
 */

const isThere = () => typeof Notification !== 'undefined' && window.isSecureContext;

/** Asks for the permission if nobody has decided yet. Never fails: the reminder is in the page in any case. */
export async function askForDesktop(): Promise<void> {
  if (!isThere() || Notification.permission !== 'default') return;
  // An answer may never come; the task is saved meanwhile.
  void Notification.requestPermission().catch(() => {});
}

/** Shows a notification unless the person looks at this page. One `tag` is shown once, whichever tab shows it. */
export function notifyDesktop({ title, tag, onOpen }: { title: string; tag: string; onOpen: () => void }): void {
  if (!isThere() || Notification.permission !== 'granted' || document.visibilityState === 'visible') return;
  const notification = new Notification(title, { tag });
  notification.onclick = () => {
    window.focus();
    notification.close();
    onOpen();
  };
}
