import { Command } from 'commander';
import { readVariable } from './environment.ts';
import { endFailed } from './exitcodes.ts';
import { startCommand } from './start/command.ts';

/**
 * Runs `aether …` in this process. A failure is printed as one sentence. What the process ends with then is in exitcodes.ts.
 *
 * @param args what follows `aether`
 */
export async function runCommand(args: string[]): Promise<void> {
  try {
    const program = isPlainStart(args)
      ? new Command('aether').addCommand(startCommand())
      : (await import('./program.ts')).createProgram();
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    console.error(`\n${describeFailure(error)}`);
    if (readVariable('LOG_LEVEL') === 'debug') console.error(error);
    endFailed();
  }
}

/**
 * A start alone needs none of the other commands, and they would stay with what they load in the process that runs every server. Help, and
 * what is wrong, is for the whole program.
 */
const isPlainStart = ([command, ...options]: string[]): boolean =>
  command === 'start' && options.every((option) => ['--reset', '--with-bus'].includes(option));

/** Errors of system calls and of the database get a message of their own; all other errors explain themselves. */
function describeFailure(error: unknown): string {
  const { message = String(error), code = '' } = error as NodeJS.ErrnoException;
  const { address, port, hostname, syscall } = error as NodeJS.ErrnoException & Record<string, unknown>;
  if (['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT', 'EHOSTUNREACH'].includes(code))
    return `No server answers at ${hostname ?? `${address}:${port}`} (${code}): is the address right, and does it run?`;
  if (code === 'EACCES' && syscall === 'listen')
    return `Port ${port} may be opened by an administrator only: choose another one, with FOUNDATION_PORT, SUPPORT_PORT, CONSOLE_PORT, IDENTITY_PORT, DEMO_SHOP_PORT, MAIL_CATCHER_PORT or BILLING_PORT.`;
  if (code === '28P01')
    return `The server refuses the login (${message}): its password is the one that \`aether migrate bootstrap\` gave it, in its address or as <LOGIN>_PASSWORD.`;
  if (message.startsWith('Connection terminated'))
    return 'What answers at the address of the database ended the connection: is it a PostgreSQL?';
  return message;
}
