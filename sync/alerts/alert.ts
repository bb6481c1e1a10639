/** An alert as it goes to a target. */
export type Alert = {
  /** The same in every attempt, to every target. */
  messageId: string;
  slug: string;
  kind: string;
  /** A status of a check, or `gone`. */
  status: string;
  previous: string;
  reason: string;
  since: Date;
  toldAt: Date;
};

/** What a receiver gets, as JSON. Its form is described in docs/alerts.md. */
export type AlertPayload = {
  type: 'check.changed' | 'check.recovered';
  timestamp: string;
  data: {
    check: string;
    kind: string;
    status: string;
    previous: string;
    reason: string;
    since: string;
    runbook: string;
  };
};

/** The page that says what to do: in the console if its address is known, otherwise in the repository. Pure. */
export function runbookOf(kind: string, consoleUrl: string | undefined): string {
  return consoleUrl ? `${consoleUrl}/runbooks/${kind}` : `docs/runbooks/${kind}.md`;
}

/** Pure. */
export function toPayload(alert: Alert, consoleUrl: string | undefined): AlertPayload {
  return {
    type: hasRecovered(alert) ? 'check.recovered' : 'check.changed',
    timestamp: alert.toldAt.toISOString(),
    data: {
      check: alert.slug,
      kind: alert.kind,
      status: alert.status,
      previous: alert.previous,
      reason: alert.reason,
      since: alert.since.toISOString(),
      runbook: runbookOf(alert.kind, consoleUrl),
    },
  };
}

/** The alert in words: a subject of one line, and a text. Pure. */
export function toWords(alert: Alert, consoleUrl: string | undefined): { subject: string; text: string } {
  const head = hasRecovered(alert)
    ? `${alert.slug} has recovered: it was ${alert.previous}`
    : `${alert.slug} is ${alert.status}${alert.previous === 'ok' ? '' : `, it was ${alert.previous}`}`;
  const text = [
    `${head}.`,
    '',
    alert.reason,
    '',
    `Since: ${alert.since.toISOString()}`,
    `What to do: ${runbookOf(alert.kind, consoleUrl)}`,
    ...(consoleUrl ? [`All alerts: ${consoleUrl}/alerts`] : []),
    '',
  ].join('\n');
  return { subject: `[Aether] ${head}`.replaceAll(/[\r\n]+/g, ' ').slice(0, 200), text };
}

function hasRecovered({ status, previous }: Alert): boolean {
  return (status === 'ok' || status === 'gone') && previous !== 'ok';
}
