/** A message of a stream of server-sent events. For a comment, which only shows that the line is open, `event` is empty. */
export type Said = { event: string; data: string };

/**
 * Reads server-sent events as they arrive in pieces. https://html.spec.whatwg.org/multipage/server-sent-events.html, without `retry` and
 * without ids: the number of a message says where to continue.
 *
 * @returns the events that this piece completes.
 */
export function createSseReader(): (piece: string) => Said[] {
  let rest = '';
  let event = '';
  let data: string[] = [];
  let isComment = false;
  return (piece) => {
    const said: Said[] = [];
    rest += piece;
    // A \r at the end may be half of \r\n.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) said.push({ event: event || 'message', data: data.join('\n') });
        else if (isComment) said.push({ event: '', data: '' });
        event = '';
        data = [];
        isComment = false;
        continue;
      }
      const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === '') isComment = true;
      else if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
    return said;
  };
}
