import { beatAnswerMs, type Heartbeat, type Report, startHeartbeat } from '@aether/platform/log';
import { createLine, type Line } from './line.ts';

/**
 * The heartbeat of a worker, on a connection of its own: what keeps the sequencer or a check waiting does not make the worker look silent.
 *
 * @param url as sync_app, past any transaction pooler.
 */
export function startWorkerHeartbeat({ url, read }: { url: string; read: () => Report }): Heartbeat {
  let line: Line | undefined;

  async function openLine(): Promise<Line> {
    if (line && !line.isLost()) return line;
    const opened = createLine({ url, name: 'aether-heartbeat', answerMs: beatAnswerMs });
    line = opened;
    await opened.open(`set statement_timeout = ${beatAnswerMs}; set idle_session_timeout = '60s'`);
    return opened;
  }

  const heartbeat = startHeartbeat({
    send: async (text, values) => (await openLine()).query(text, values),
    read: () => ({ ...read(), ...(line && !line.isLost() && line.certificate()) }),
  });
  return {
    ...heartbeat,
    async stop() {
      await heartbeat.stop();
      await line?.close();
    },
  };
}
