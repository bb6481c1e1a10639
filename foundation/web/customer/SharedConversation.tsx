import { formatMoment } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { sharedConversationQuery } from '../api/timeline.ts';
import classes from './timeline.module.css';

/** What was said in a conversation with Support, for whom Support shares it with. It is read anew each time that it is opened. */
export function SharedConversation({ activityId }: { activityId: string }) {
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery(
    sharedConversationQuery(activityId),
  );
  // Nothing stays on the screen that Support shares no more.
  const isWithdrawn = error instanceof Refusal && error.status === 403;
  if (error && (!data || isWithdrawn))
    return <ErrorNotice title="The conversation could not be loaded" error={error} onRetry={refetch} />;
  if (!data) return <Waiting lines={3} height={28} />;
  return (
    <>
      <ol className={classes.said} aria-label="What was said">
        {data.pages
          .flatMap(({ messages }) => messages)
          .map(({ number, author, name, body, files, at }) => (
            <li key={number} data-author={author}>
              <span className={classes.speaker}>
                {name ?? (author === 'bot' ? 'Chatbot' : 'Visitor')} <time dateTime={at}>{formatMoment(at)}</time>
              </span>
              {body && <p className={classes.words}>{body}</p>}
              {files > 0 && <p className={classes.fact}>{files === 1 ? '1 file' : `${files} files`}, in Support</p>}
            </li>
          ))}
      </ol>
      {error && <ErrorNotice title="The conversation could not be loaded" error={error} onRetry={fetchNextPage} />}
      {hasNextPage && (
        <Button variant="default" size="xs" mt="xs" loading={isFetchingNextPage} onClick={() => fetchNextPage()}>
          Show more
        </Button>
      )}
    </>
  );
}
