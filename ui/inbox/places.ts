import { markNotice, type Notice } from './calls.ts';

/** Where the apps are, as /signin/me says. */
export type Apps = { foundation?: string | undefined; support?: string | undefined };

/**
 * The address of a notice's record: a path in this app, an address in the other one. Undefined if its customer is gone, if this app would refuse to
 * show it, or if nobody knows where the other app is. Pure.
 */
export function placeOf(
  {
    app,
    record,
    record_id,
    customer,
    is_readable,
  }: Pick<Notice, 'app' | 'record' | 'record_id' | 'customer' | 'is_readable'>,
  { own, apps }: { own: Notice['app']; apps: Apps },
): string | undefined {
  const path = pathOf(record, record_id, customer?.id);
  if (app === own) return is_readable ? path : undefined;
  if (path === undefined) return undefined;
  const other = apps[app];
  return other && `${other}${path}`;
}

/** Opens the record of a notice: in this app, or the other one in a tab of its own. */
export function openNotice(
  notice: Notice,
  { own, apps, go }: { own: Notice['app']; apps: Apps; go: (path: string) => void },
): void {
  const place = placeOf(notice, { own, apps });
  if (place && notice.app === own) go(place);
  else if (place) window.open(place, '_blank', 'noopener');
  if (notice.read_at === null) void markNotice(notice.id, { is_read: true }).catch(() => {});
}

function pathOf(record: Notice['record'], id: string, customer: string | undefined): string | undefined {
  switch (record) {
    case 'session':
      return `/sessions/${id}`;
    case 'deal':
      return `/deals/${id}`;
    case 'company':
      return `/companies/${id}`;
    case 'customer':
      return `/customers/${id}`;
    case 'activity':
      return customer && `/customers/${customer}`;
  }
}
