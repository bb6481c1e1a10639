import { Button, CloseButton, SegmentedControl, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconFileSearch, IconSearch } from '@tabler/icons-react';
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query';
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { formatDay } from './formats.ts';
import { useKeys } from './Keys.tsx';
import { ErrorNotice, Nothing } from './Notice.tsx';
import { Refusal } from './refusal.ts';
import { PageHead } from './Shell.tsx';
import classes from './TextSearch.module.css';
import type { TextSearch } from './textsearch.ts';
import { Waiting } from './Waiting.tsx';

export type Excerpt = {
  text: string;
  marks: { from: number; to: number }[];
  starts_inside: boolean;
  ends_inside: boolean;
};
type Found = { id: string; kind: string };
type Page<Result> = { results: Result[]; next_cursor: string | null; searched_to: string | null };

type TextSearchProps<Kind extends string, Result extends Found> = {
  search: TextSearch<Kind>;
  onChange: (part: TextSearch<Kind>) => void;
  kinds: { value: Kind; label: string }[];
  /** What is searched, as a sentence for the empty page. */
  about: string;
  list: UseInfiniteQueryResult<InfiniteData<Page<Result>>>;
  /** One hit. Its first link is where the keyboard goes. */
  children: (result: Result) => ReactNode;
};

/** The server is asked after a pause in typing of this length. */
const typingMs = 200;

/** The page that searches in texts: the words, the kind, the order, and what is found. */
export function TextSearchPage<Kind extends string, Result extends Found>({
  search,
  onChange,
  kinds,
  about,
  list,
  children,
}: TextSearchProps<Kind, Result>) {
  const { q = '', kind, order } = search;
  const input = useRef<HTMLInputElement>(null);
  const hits = useRef<HTMLUListElement>(null);
  const [typed, setTyped] = useState(q);
  /** The words that this page put into the address. Others come from a way back or forward, and are those of the field then. */
  const told = useRef(q);
  const tell = useDebouncedCallback((next: string) => {
    told.current = next.trim() === '' ? '' : next;
    onChange({ q: told.current || undefined });
  }, typingMs);
  useEffect(() => {
    if (q === told.current) return;
    told.current = q;
    setTyped(q);
  }, [q]);
  const type = (next: string) => {
    setTyped(next);
    tell(next);
  };
  /** The person left the words for the hits, which are still to come. */
  const isLeaving = useRef(false);
  /** Focuses the hit so many further on than the focused one; without one, the first. */
  const walk = (step: number) => {
    const links = [...(hits.current?.querySelectorAll<HTMLElement>('li a:first-of-type') ?? [])].filter(
      (link, n, all) => all.findIndex((other) => other.closest('li') === link.closest('li')) === n,
    );
    const at = links.findIndex((link) => link.closest('li')?.contains(document.activeElement));
    isLeaving.current = false;
    links[at === -1 ? 0 : Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  };
  useKeys([
    { keys: '/', label: 'The words to search', group: 'Search in texts', run: () => input.current?.select() },
    { keys: 'j', label: 'The next one', group: 'Search in texts', run: () => walk(1) },
    { keys: 'k', label: 'The one before', group: 'Search in texts', run: () => walk(-1) },
  ]);
  const { data, error, isFetching, isFetchingNextPage, isPlaceholderData, hasNextPage, fetchNextPage, refetch } = list;
  const results = data?.pages.flatMap((page) => page.results) ?? [];
  const searchedTo = data?.pages.at(-1)?.searched_to;
  // A step of the search that found nothing says only that it goes on.
  const goesOn = q !== '' && data !== undefined && results.length === 0 && hasNextPage && !error;
  useEffect(() => {
    if (goesOn && !isFetching) void fetchNextPage();
  }, [goesOn, isFetching, fetchNextPage]);
  const isCurrent = typed.trim() === q.trim() && !isPlaceholderData && results.length > 0;
  const leave = (event: KeyboardEvent) => {
    if (event.key === 'Escape') type('');
    isLeaving.current = !event.nativeEvent.isComposing && ['Enter', 'ArrowDown'].includes(event.key);
    if (!isLeaving.current) return;
    event.preventDefault();
    tell.flush();
    if (isCurrent) walk(1);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when they come
  useEffect(() => {
    if (isCurrent && isLeaving.current) walk(1);
  }, [isCurrent]);
  const refused = error instanceof Refusal ? error.fields.q : undefined;
  const kindLabel = kinds.find(({ value }) => value === kind)?.label.toLowerCase();
  return (
    <>
      <PageHead title="Search in texts" />
      <div className={classes.bar}>
        <TextInput
          ref={input}
          type="search"
          className={classes.words}
          aria-label="Words to search"
          placeholder="Words, a “phrase in quotes”, -without"
          autoFocus
          maxLength={200}
          leftSection={<IconSearch size={15} />}
          rightSection={typed && <CloseButton size="xs" aria-label="Empty the search" onClick={() => type('')} />}
          value={typed}
          error={refused && `The search ${refused}.`}
          onChange={(event) => type(event.currentTarget.value)}
          onKeyDown={leave}
        />
        <fieldset className={classes.kinds} aria-label="Kind">
          {[{ value: undefined, label: 'Everything' }, ...kinds].map(({ value, label }) => (
            <button
              key={label}
              type="button"
              className={classes.kind}
              aria-pressed={kind === value}
              onClick={() => onChange({ kind: value })}
            >
              {label}
            </button>
          ))}
        </fieldset>
        <SegmentedControl
          aria-label="Order"
          data={[
            { value: 'best', label: 'Best first' },
            { value: 'newest', label: 'Newest first' },
          ]}
          value={order ?? 'best'}
          onChange={(value) => onChange({ order: value === 'newest' ? 'newest' : undefined })}
        />
      </div>
      <div className={classes.page} data-old={isPlaceholderData}>
        {q === '' && (
          <Nothing icon={<IconFileSearch size={28} />} title="What was said?">
            {about}
          </Nothing>
        )}
        {error && refused === undefined && (
          <ErrorNotice title="The search did not work" error={error} onRetry={() => void refetch()} />
        )}
        {q !== '' && !data && !error && <Waiting />}
        {q !== '' && data && !error && results.length === 0 && !hasNextPage && (
          <Nothing icon={<IconFileSearch size={28} />} title={`Nothing has “${q}”`}>
            {kindLabel === undefined
              ? 'Every word must be in the same text. Try fewer words, or the beginning of a word.'
              : `None of the ${kindLabel} has it. Search in everything, or try fewer words.`}
          </Nothing>
        )}
        {q !== '' && results.length > 0 && refused === undefined && (
          <ul ref={hits} className={classes.hits} aria-label="Found texts">
            {results.map((result) => (
              <li key={`${result.kind} ${result.id}`} className={classes.hit}>
                {children(result)}
              </li>
            ))}
          </ul>
        )}
        {q !== '' && data && !error && (results.length > 0 || hasNextPage) && (
          <div className={classes.end}>
            <span role="status">
              {!hasNextPage
                ? 'That is all.'
                : searchedTo
                  ? `Searched back to ${formatDay(searchedTo)}${order === 'newest' ? '' : ', the best of it first'}.`
                  : order !== 'newest' && 'The best first.'}
            </span>
            {hasNextPage && (
              <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
                Show more
              </Button>
            )}
          </div>
        )}
      </div>
    </>
  );
}

/** A piece of a text with the searched words marked. */
export function Excerpt({ excerpt: { text, marks, starts_inside, ends_inside } }: { excerpt: Excerpt }) {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const { from, to } of marks) {
    parts.push(text.slice(at, from), <mark key={from}>{text.slice(from, to)}</mark>);
    at = to;
  }
  return (
    <p className={classes.excerpt} dir="auto">
      {starts_inside && '… '}
      {parts}
      {text.slice(at)}
      {ends_inside && ' …'}
    </p>
  );
}

/** The line above an excerpt. */
export function HitLine({ children }: { children: ReactNode }) {
  return <div className={classes.line}>{children}</div>;
}

/** A lesser part of that line. */
export function HitFact({ children }: { children: ReactNode }) {
  return <span className={classes.fact}>{children}</span>;
}
