import net from 'node:net';
import { type Certificate, Client, queryNamed, readCertificate } from '@aether/platform/log';
import pg from 'pg';

export type LineOptions = {
  /** As sync_app, past any transaction pooler. */
  url: string;
  /** The application name in pg_stat_activity. */
  name: string;
  /** How long connecting, or a statement, may go without an answer; then the line is cut. */
  answerMs: number;
  onNotified?: (channel: string) => void;
  /** Called once, when the line is gone: cut by the other side, by a limit, or by `cut`. */
  onLost?: () => void;
};

/**
 * One connection of the worker on which nothing waits for ever. A statement without an answer is given up together with the line,
 * because any later statement would wait behind it.
 */
export type Line = {
  /** @throws when no answer comes in time, and the database's own errors */
  open(settings: string): Promise<void>;
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** A statement that comes again and again: the server reads and plans it once for the line. */
  run<Row extends pg.QueryResultRow>(statement: { name: string; text: string }, values: unknown[]): Promise<Row[]>;
  isLost(): boolean;
  /** Of a line that is open. */
  certificate(): Certificate;
  /** Ends the line at once: a statement under way fails. */
  cut(): void;
  /** Says goodbye and settles soon, whether or not the other side answers. */
  close(): Promise<void>;
};

const goodbyeMs = 300;

export function createLine({ url, name, answerMs, onNotified = () => {}, onLost = () => {} }: LineOptions): Line {
  let socket: net.Socket | undefined;
  let isLost = false;
  const client = new Client({
    url,
    application_name: name,
    connectionTimeoutMillis: answerMs,
    query_timeout: answerMs,
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    stream: () => {
      socket = new net.Socket();
      return socket;
    },
  });
  const lose = () => {
    if (isLost) return;
    isLost = true;
    onLost();
  };
  const cut = () => {
    lose();
    socket?.destroy();
  };
  client.on('error', lose);
  client.on('end', lose);
  client.on('notification', ({ channel }) => onNotified(channel));

  async function ask(query: { text: string; values?: unknown[]; name?: string }): Promise<pg.QueryResult> {
    if (isLost) throw new Error('Connection terminated: the line to the database is gone.');
    try {
      return await (query.name === undefined ? client.query(query) : queryNamed(client, query));
    } catch (error) {
      if (isUnanswered(error)) cut();
      throw error;
    }
  }

  return {
    async open(settings) {
      try {
        await client.connect();
        await ask({ text: settings });
      } catch (error) {
        cut();
        throw error;
      }
    },
    query: async <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
      (await ask({ text, values })).rows as Row[],
    run: async <Row extends pg.QueryResultRow>(statement: { name: string; text: string }, values: unknown[]) =>
      (await ask({ ...statement, values })).rows as Row[],
    isLost: () => isLost,
    certificate: () => readCertificate(client),
    cut,
    async close() {
      const timer = setTimeout(cut, isLost ? 0 : goodbyeMs);
      await Promise.race([
        client.end().catch(() => {}),
        new Promise<void>((resolve) => setTimeout(resolve, goodbyeMs + 50)),
      ]);
      clearTimeout(timer);
      cut();
    },
  };
}

/** Whether a limit, here or at the server, has ended the statement: the same work may need more time. */
export function isOutOfTime(error: unknown): boolean {
  return isUnanswered(error) || (error instanceof pg.DatabaseError && error.code === '57014');
}

function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}
