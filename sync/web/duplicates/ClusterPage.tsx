import { KeyName } from '@aether/ui/KeyName.tsx';
import { useKeys } from '@aether/ui/Keys.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Select } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import parts from '../parts/parts.module.css';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import classes from './duplicates.module.css';
import { Members } from './Members.tsx';
import { type Cluster, clusterQuery, pairsQuery } from './queries.ts';
import { useReview } from './useReview.ts';
import { sayBridges, sayScore, saySource, stateWords } from './words.ts';

const route = getRouteApi('/duplicates/$id');

/** One pair of the queue, with all customers that belong to it: beside each other, and decided by a key. */
export function ClusterPage() {
  const { id } = route.useParams();
  const search = route.useSearch();
  const { isSteward } = useMe();
  const { data, error, refetch } = useQuery({ ...clusterQuery(id), enabled: isSteward });
  return (
    <StewardOnly>
      <PageHead
        title={data ? `${data.pair.customer.name} and ${data.pair.other.name}` : 'Duplicates'}
        detail={
          data &&
          (data.members.length > 2 ? `${data.members.length} customers that may be one person` : sayScore(data.pair))
        }
      />
      <div className={parts.page}>
        <p>
          <Link to="/duplicates" search={search}>
            All pairs
          </Link>
        </p>
        {error && <ErrorNotice title="The pair could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting lines={8} />}
        {data && <Review key={id} cluster={data} />}
      </div>
    </StewardOnly>
  );
}

function Review({ cluster }: { cluster: Cluster }) {
  const { pair, pairs, members, isCut } = cluster;
  const search = route.useSearch();
  const { id: me } = useMe();
  const [survivor, setSurvivor] = useState(cluster.survivor ?? members[0]?.id ?? '');
  const { left, decisions, undo, isAtEnd } = useReview(cluster, search);
  const { data: queue } = useInfiniteQuery(pairsQuery(search));
  const people = queue?.pages[0]?.people ?? [];
  const isOpen = (pair.state === 'open' || pair.state === 'unsure') && members.length > 1;
  const isMany = members.length > 2;
  const bridges = sayBridges(cluster);
  const others = members.filter((member) => member.id !== survivor);
  const swap = () => {
    const at = members.findIndex((member) => member.id === survivor);
    setSurvivor(members[(at + 1) % members.length]?.id ?? survivor);
  };
  const leaveOut = (member: string) =>
    decisions.split(
      [member],
      members.filter(({ id }) => id !== member).map(({ id }) => id),
    );
  const verbs = [
    { keys: 'm', label: isMany ? `Merge all ${members.length}` : 'Merge', run: () => decisions.merge(survivor) },
    { keys: 'd', label: isMany ? 'All different' : 'Different', run: () => decisions.decide('different') },
    ...(pairs.some(({ state }) => state === 'open')
      ? [{ keys: 'u', label: 'Not sure', run: () => decisions.decide('unsure') }]
      : []),
    { keys: 's', label: 'Skip', run: decisions.skip },
    ...(pair.assigned_to === me ? [] : [{ keys: 'a', label: 'Assign to me', run: () => decisions.assign(me) }]),
    { keys: 'x', label: 'Exchange who goes on', run: swap },
  ];
  const doings = isOpen ? verbs : [{ keys: 's', label: 'Next pair', run: decisions.skip }];
  useKeys([
    ...doings.map((doing) => ({ ...doing, group: 'Duplicates' })),
    { keys: 'z', label: 'Undo the last decision', group: 'Duplicates', run: undo },
    ...(isOpen && isMany
      ? members.slice(0, 9).map((member, at) => ({
          keys: String(at + 1),
          label: `Leave out ${member.name}`,
          group: 'Duplicates',
          run: () => leaveOut(member.id),
        }))
      : []),
  ]);
  return (
    <>
      <div className={classes.facts}>
        <Tag tone={stateWords[pair.state].tone}>{stateWords[pair.state].word}</Tag>
        <span>
          Brought by {saySource(pair)} <When at={pair.created_at} />
        </span>
        {pair.decided_at && (
          <span>
            Decided by {pair.decided_name ?? pair.decided_by ?? 'the command'} <When at={pair.decided_at} />
          </span>
        )}
        {pair.merge && (
          <Link to="/merges/$id" params={{ id: pair.merge }}>
            The merge
          </Link>
        )}
        {isOpen && (
          <Link to="/merges/new" search={{ survivor, loser: others[0]?.id ?? '' }}>
            Compare in full and choose fields
          </Link>
        )}
      </div>
      <Reasons cluster={cluster} />
      {isCut && (
        <p className={parts.quiet}>More customers are connected to these. They are shown once these are decided.</p>
      )}
      {bridges.length > 0 && (
        <ul className={classes.bridges} aria-label="What joins them">
          {bridges.map(({ pair: bridge, left: side, right, text }) => (
            <li key={bridge}>
              <span>{text}</span>
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => decisions.split(side, right)}
                aria-label={`Split here: ${text}`}
              >
                Split here
              </Button>
            </li>
          ))}
        </ul>
      )}
      {members.length < 2 && <p className={parts.quiet}>One of the two goes on as another customer, or was erased.</p>}
      {members.length > 0 && (
        <Members
          members={members}
          survivor={isOpen ? survivor : undefined}
          onSurvivor={setSurvivor}
          onLeaveOut={isOpen && isMany ? leaveOut : undefined}
        />
      )}
      <div className={classes.acting} role="toolbar" aria-label="Decide">
        {doings.map(({ keys, label, run }) => (
          <Button
            key={keys}
            size="sm"
            variant={keys === 'm' ? 'filled' : 'default'}
            onClick={run}
            rightSection={<KeyName keys={keys} />}
          >
            {label}
          </Button>
        ))}
        <Button size="sm" variant="default" onClick={undo} rightSection={<KeyName keys="z" />}>
          Undo
        </Button>
        {isOpen && (
          <Select
            size="sm"
            aria-label="Assigned to"
            placeholder="Nobody’s"
            clearable
            value={pair.assigned_to}
            data={people.map(({ id, name }) => ({ value: id, label: name }))}
            onChange={(to) => decisions.assign(to)}
          />
        )}
        <span className={classes.left} role="status">
          {isAtEnd ? 'This is the last pair of this list.' : `${left} behind this one`}
        </span>
      </div>
    </>
  );
}

/** What speaks for and against each pair; of a pair alone without the names. */
function Reasons({ cluster: { pair, pairs, members } }: { cluster: Cluster }) {
  const shown = pairs.length > 0 ? pairs : [pair];
  return (
    <ul className={classes.reasons} aria-label="Reasons">
      {shown.map((each) => (
        <li key={each.id}>
          {members.length > 2 && (
            <b>
              {each.customer.name} – {each.other.name}, {sayScore(each)}:{' '}
            </b>
          )}
          {each.reasons.join(', ') || saySource(each)}
        </li>
      ))}
    </ul>
  );
}
