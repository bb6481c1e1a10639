import { showAddress } from '@aether/platform/noaddress';
import { Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';

export type SimilarCustomer = { id: string; name: string; email: string; reasons: string[] };

type MaybeTheSameProps<Draft> = {
  /** What is typed so far; undefined: there is nothing to look for. */
  draft: Draft | undefined;
  find: (draft: Draft, signal: AbortSignal) => Promise<{ similar: SimilarCustomer[] }>;
  pathOf: (id: string) => string;
};

/** So long nobody types before it is asked. */
const pauseMs = 400;

/**
 * Customers that may be the person who is being written down, each with the reason and a link that opens beside the form. A hint keeps
 * nobody from saving, and a failure of it is not shown: the form works without.
 */
export function MaybeTheSame<Draft>({ draft, find, pathOf }: MaybeTheSameProps<Draft>) {
  const [asked] = useDebouncedValue(draft === undefined ? '' : JSON.stringify(draft), pauseMs);
  const { data } = useQuery({
    queryKey: ['similar', asked],
    enabled: asked !== '',
    retry: false,
    queryFn: ({ signal }) => find(JSON.parse(asked) as Draft, signal),
  });
  const similar = asked === '' || draft === undefined ? [] : (data?.similar ?? []);
  return (
    <div role="status">
      {similar.length > 0 && (
        <>
          <Text size="sm">Maybe the same:</Text>
          <ul style={{ margin: '2px 0 0', paddingInlineStart: 18 }}>
            {similar.map(({ id, name, email, reasons }) => (
              <Text component="li" size="sm" key={id} style={{ overflowWrap: 'anywhere' }}>
                {/* The reasons follow it, so that its colour alone would not tell the link. */}
                <a href={pathOf(id)} target="_blank" rel="noreferrer" style={{ textDecoration: 'underline' }}>
                  {name}, {showAddress(email)}
                </a>
                {reasons.length > 0 && `: ${reasons.join(', ')}`}
              </Text>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
