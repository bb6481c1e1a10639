import { ErrorNotice, Nothing } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, SegmentedControl, Select } from '@mantine/core';
import { IconCopyCheck } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import parts from '../parts/parts.module.css';
import { sayCount, without } from '../parts/words.ts';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import classes from './duplicates.module.css';
import { type Act, actsQuery, type Pair, type PairPage, pairsQuery } from './queries.ts';
import type { DuplicatesSearch, PairState } from './search.ts';
import { useUndo } from './useUndo.ts';
import { sayScore, saySource, sourceChoices, stateWords } from './words.ts';

const route = getRouteApi('/duplicates');
const scores = [
  { value: '0.5', label: '50 % and more' },
  { value: '0.9', label: '90 % and more' },
  { value: '0.99', label: '99 % and more' },
];

/** Pairs of customers that may be one person, and what was decided last. */
export function DuplicatesPage() {
  const search = route.useSearch();
  const { isSteward } = useMe();
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery({
    ...pairsQuery(search),
    enabled: isSteward,
  });
  const [first] = data?.pages ?? [];
  const pairs = data?.pages.flatMap((page) => page.pairs) ?? [];
  const isUndecided = search.state === undefined || search.state === 'unsure';
  return (
    <StewardOnly>
      <PageHead title="Duplicates" detail="two customers that may be one person">
        {isUndecided && pairs[0] && (
          <Button
            renderRoot={(props) => (
              <Link {...props} to="/duplicates/$id" params={{ id: pairs[0]?.id ?? '' }} search={search} />
            )}
          >
            Review
          </Button>
        )}
      </PageHead>
      <div className={parts.page}>
        <Filters search={search} page={first} />
        {error && <ErrorNotice title="The queue could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        {data && pairs.length === 0 && (
          <Nothing icon={<IconCopyCheck size={28} />} title="No pair is here">
            {isUndecided
              ? 'Customers who are made or changed bring pairs here, imports do, and whoever proves another customer’s address.'
              : 'What you decide about is kept here.'}
          </Nothing>
        )}
        {pairs.length > 0 && <PairList pairs={pairs} search={search} />}
        {hasNextPage && (
          <Button variant="default" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
            More pairs
          </Button>
        )}
        <LastActs />
      </div>
    </StewardOnly>
  );
}

function Filters({ search, page }: { search: DuplicatesSearch; page: PairPage | undefined }) {
  const navigate = route.useNavigate();
  const { id: me } = useMe();
  const change = (next: Partial<Record<keyof DuplicatesSearch, string | undefined>>) =>
    void navigate({ to: '/duplicates', search: without({ ...search, ...next }) as DuplicatesSearch, replace: true });
  const people = page?.people.filter(({ id }) => id !== me) ?? [];
  return (
    <div className={classes.filters}>
      <SegmentedControl
        aria-label="Which pairs"
        classNames={{ root: classes.states, control: classes.state }}
        value={search.state ?? 'open'}
        data={Object.entries(stateWords).map(([value, { word }]) => ({
          value,
          label: page ? `${word} ${sayCount(page.counts[value as PairState])}` : word,
        }))}
        onChange={(state) => change({ state: state === 'open' ? undefined : state })}
      />
      <Select
        size="xs"
        label="Assigned"
        placeholder="anybody"
        clearable
        value={search.assigned ?? null}
        data={[
          { value: me, label: 'me' },
          { value: 'nobody', label: 'nobody' },
          ...people.map(({ id, name }) => ({ value: id, label: name })),
        ]}
        onChange={(assigned) => change({ assigned: assigned ?? undefined })}
      />
      <Select
        size="xs"
        label="Brought by"
        placeholder="anything"
        clearable
        value={search.source ?? null}
        data={sourceChoices}
        onChange={(source) => change({ source: source ?? undefined })}
      />
      <Select
        size="xs"
        label="Score"
        placeholder="any"
        clearable
        value={search.score ?? null}
        data={scores}
        onChange={(score) => change({ score: score ?? undefined })}
      />
    </div>
  );
}

function PairList({ pairs, search }: { pairs: Pair[]; search: DuplicatesSearch }) {
  return (
    <ul className={parts.list} aria-label="Pairs">
      {pairs.map((pair) => (
        <li key={pair.id} className={parts.item} data-pair={pair.id}>
          <span className={parts.what}>
            <Link to="/duplicates/$id" params={{ id: pair.id }} search={search}>
              {pair.customer.name} and {pair.other.name}
            </Link>
            <span className={parts.quiet}>{pair.reasons.join(', ') || `Brought by ${saySource(pair)}`}</span>
          </span>
          <span className={parts.numbers}>{sayScore(pair)}</span>
          <span className={parts.quiet}>
            {saySource(pair)} <When at={pair.decided_at ?? pair.created_at} />
          </span>
          {pair.assigned_name && <Tag>{pair.assigned_name}</Tag>}
          {pair.decided_name && <Tag>{pair.decided_name}</Tag>}
        </li>
      ))}
    </ul>
  );
}

/** What this person has decided last, each with its undo. */
function LastActs() {
  const { isSteward } = useMe();
  const { data } = useQuery({ ...actsQuery, enabled: isSteward });
  const undo = useUndo();
  if (!data || data.acts.length === 0) return null;
  return (
    <section>
      <h2 className={parts.title}>Your last decisions</h2>
      <ul className={parts.list} aria-label="Your last decisions">
        {data.acts.map((act) => (
          <li key={act.act} className={parts.item}>
            <span className={parts.what}>
              <b>{sayAct(act)}</b>
            </span>
            <Tag tone={stateWords[act.became].tone}>{stateWords[act.became].word}</Tag>
            <span className={parts.quiet}>
              <When at={act.decided_at} />
            </span>
            <Button
              size="compact-xs"
              variant="default"
              loading={undo.isPending}
              aria-label={`Undo: ${sayAct(act)}`}
              onClick={() => undo.mutate(act.act)}
            >
              Undo
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function sayAct({ pairs }: Act): string {
  const [first] = pairs;
  if (!first) return 'a decision';
  const rest = pairs.length - 1;
  const both = `${first.customer.name} and ${first.other.name}`;
  return rest === 0 ? both : `${both}, and ${rest} more ${rest === 1 ? 'pair' : 'pairs'}`;
}
