/*
 * Notifications of the desktop, for whoever has this page open and looks elsewhere. The browser asks the person once, when they first ask to be
 * told so; who refuses sees everything in the page only.
 */

const isThere = () => typeof Notification !== 'undefined' && window.isSecureContext;

/** Whether the browser shows notifications of this address; undefined if nobody has decided yet. */
export const isDesktopAllowed = (): boolean | undefined =>
  isThere() ? { granted: true, denied: false, default: undefined }[Notification.permission] : false;

/** Asks for the permission if nobody has decided yet. Never fails, and does not wait: what is saved beside it does not depend on the answer. */
export function askForDesktop(): void {
  if (isDesktopAllowed() === undefined) void Notification.requestPermission().catch(() => {});
}

type DesktopNotice = {
  title: string;
  body?: string;
  /** One tag is shown once, whichever tab shows it. */
  tag: string;
  onOpen: () => void;
};

/** Shows a notification unless the person looks at this page. */
export function notifyDesktop({ title, body, tag, onOpen }: DesktopNotice): void {
  if (!isDesktopAllowed() || document.visibilityState === 'visible') return;
  const notification = new Notification(title, { tag, ...(body && { body }) });
  notification.onclick = () => {
    window.focus();
    notification.close();
    onOpen();
  };
}
