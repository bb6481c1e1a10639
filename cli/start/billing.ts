import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startOwnServer, stopOwnServer } from '@aether/database';
import { aetherFolder } from './running.ts';

/** The example of a third app, in a process and on a PostgreSQL of its own. */
export type Billing = { url: string; databaseUrl: string };
export type OnStarted = (name: string, stop: () => Promise<void>, cut?: () => Promise<void>) => void;

const main = join(import.meta.dirname, '..', '..', 'examples', 'billing', 'main.ts');
/** PostgreSQL's port, behind those that the platform's may take. */
const databasePort = 54_420;
const stopWithinMs = 15_000;

/** Where billing keeps its data: in a server of its own. */
export const billingFolder = (): string => join(aetherFolder(), 'billing');

/** Ends the server that a start with --with-bus has left because it was killed. */
export const stopLeftover = (): Promise<void> => stopOwnServer(billingFolder());

/**
 * Starts billing's PostgreSQL, then billing.
 *
 * @param variables the settings of the bus, and of billing but for its database
 * @param doing says what it waits for
 * @param onStarted called with how to stop what runs, as soon as it does
 * @throws with what billing has said, if it ends before it follows
 */
export async function startBilling(
  variables: Record<string, string | undefined>,
  doing: (what: string) => void,
  onStarted: OnStarted,
): Promise<Billing> {
  const own = await startOwnServer({ folder: billingFolder(), app: 'billing', port: databasePort, onProgress: doing });
  onStarted(
    "Billing's PostgreSQL",
    () => own.server.stop(),
    () => own.server.stop('immediate'),
  );
  // In a session of its own, so that Ctrl-C reaches it through this process, in its turn. It ends when this process does.
  const child = fork(main, ['serve'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, ...variables, BILLING_DB_URL: own.url },
  });
  onStarted('Billing', () => end(child));
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      said = `${said}${chunk}`.slice(-2_000);
      doing(chunk.trim().split('\n').at(-1) ?? '');
    });
  const [[message]] = (await Promise.race([
    once(child, 'message').then((args) => [args]),
    once(child, 'exit').then(([code]) => {
      throw new Error(`Billing ended with ${code} before it followed the platform: ${said.trim()}`);
    }),
  ])) as [[{ url: string }]];
  for (const stream of [child.stdout, child.stderr]) stream?.removeAllListeners('data').resume();
  child.stderr?.on('data', (chunk: string) => process.stderr.write(`billing: ${chunk}`));
  child.once('exit', (code) => {
    if (code !== 0) console.error(`Billing has ended with ${code}; everything else goes on.`);
  });
  return { url: message.url, databaseUrl: own.url };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await Promise.race([exited, sleep(stopWithinMs, undefined, { ref: false })]);
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await exited;
}
