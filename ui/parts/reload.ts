import { unreachable } from '../refusal.ts';
import { showRefusal } from '../toasts.tsx';
import { askVersion } from './version.ts';

let isLeaving = false;

/** The page is being loaded again on request, so what survives that needs no question. */
export const isReloading = () => isLeaving;

/** Loads the page again, at the same place. Without a server it stays, because the browser would show its own error page instead. */
export async function reloadPage(): Promise<void> {
  if (!(await askVersion())) {
    showRefusal('The page was not loaded again', unreachable());
    return;
  }
  isLeaving = true;
  window.location.reload();
  setTimeout(() => {
    isLeaving = false; // the person has decided to stay
  });
}
