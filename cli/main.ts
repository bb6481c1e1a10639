import { runCommand } from './run.ts';

// A reader such as `aether … | head` may close the pipe early. A command that must clean up gets a signal first, once.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
  process.stdout.on('error', () => {});
  if (error.code !== 'EPIPE') throw error;
  if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM');
  else process.exit();
});

await runCommand(process.argv.slice(2));
