import { Text } from '@mantine/core';
import { formatMoment } from './formats.ts';

type MergedFromProps = {
  merges: { merge: string; customer: { name: string }; merged_at: string; actor: { name: string } | null }[];
  /** Where the console is; undefined if that is not known. */
  consoleUrl: string | undefined;
};

/** The customers that became this one, with the way to take them apart again. */
export function MergedFrom({ merges, consoleUrl }: MergedFromProps) {
  if (merges.length === 0) return null;
  return (
    <ul style={{ margin: '0 0 12px', padding: 0, listStyle: 'none' }} aria-label="Merged from">
      {merges.map(({ merge, customer, merged_at, actor }) => (
        <Text key={merge} component="li" size="xs" c="dimmed">
          Was merged from {customer.name}, {formatMoment(merged_at)}
          {actor && `, by ${actor.name}`}.
          {consoleUrl && (
            <>
              {' '}
              <a href={`${consoleUrl}/merges/${merge}`}>Look at the merge</a>
            </>
          )}
        </Text>
      ))}
    </ul>
  );
}
