import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { ActionIcon, Button } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeTier, deleteTier, orderTiers, type Tier, tiersQuery } from '../api/tiers.ts';
import { TierTag } from '../inputs/TierTag.tsx';
import { AdminOnly } from './AdminOnly.tsx';
import classes from './settings.module.css';
import { TierDialog } from './TierDialog.tsx';

/** The tiers that customers may have, for administrators. */
export function TiersPage() {
  return (
    <AdminOnly>
      <PageHead title="Tiers" />
      <div className={classes.page}>
        <p className={classes.intro}>
          What a customer may be worth to you. Both apps show the label in its colour. A tier that customers have cannot
          be removed: retire it, and they keep it while nobody else gets it.
        </p>
        <LastChanged kind="tier" />
        <TierList />
      </div>
    </AdminOnly>
  );
}

function TierList() {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(tiersQuery);
  const [edited, setEdited] = useState<Tier | 'new' | undefined>();
  const onSettled = () => client.invalidateQueries({ queryKey: ['tiers'] });
  const ordering = useMutation({
    mutationFn: orderTiers,
    onSettled,
    onError: (refusal) => showRefusal('The order was not changed', refusal),
  });
  const retiring = useMutation({
    mutationFn: ({ key, is_retired, version }: Tier) =>
      changeTier(key, { is_retired: !is_retired, expected_version: version }),
    onSettled,
    onError: (refusal) => showRefusal('The tier was not changed', refusal),
  });
  const removing = useMutation({
    mutationFn: ({ key }: Tier) => deleteTier(key),
    onSuccess: (_, { label }) => showDone(`${label} was removed.`),
    onSettled,
    onError: (refusal) => showRefusal('The tier was not removed', refusal),
  });
  if (!data)
    return error ? (
      <ErrorNotice title="The tiers could not be loaded" error={error} onRetry={refetch} />
    ) : (
      <Waiting lines={5} />
    );
  const keys = data.tiers.map(({ key }) => key);
  const isBusy = ordering.isPending || retiring.isPending || removing.isPending;
  /** Swaps a tier with the one behind it. */
  const swap = (index: number) =>
    ordering.mutate(keys.with(index, keys[index + 1] as string).with(index + 1, keys[index] as string));
  return (
    <section aria-label="Tiers">
      <h2 className={classes.title}>
        Tiers
        <Button variant="subtle" leftSection={<IconPlus size={15} />} onClick={() => setEdited('new')}>
          New tier
        </Button>
      </h2>
      <ul className={classes.list}>
        {data.tiers.map((tier, index) => (
          <li key={tier.key} className={classes.row}>
            <span className={classes.name}>
              <TierTag tier={tier.key} /> <span className={classes.detail}>{tier.key}</span>
            </span>
            {tier.is_retired && <Tag tone="warn">Retired</Tag>}
            <Button
              variant="subtle"
              aria-label={`${tier.is_retired ? 'Bring back' : 'Retire'} ${tier.label}`}
              disabled={isBusy}
              onClick={() => retiring.mutate(tier)}
            >
              {tier.is_retired ? 'Bring back' : 'Retire'}
            </Button>
            <span>
              <ActionIcon
                aria-label={`Move ${tier.label} up`}
                disabled={isBusy || index === 0}
                onClick={() => swap(index - 1)}
              >
                <IconArrowUp size={15} />
              </ActionIcon>
              <ActionIcon
                aria-label={`Move ${tier.label} down`}
                disabled={isBusy || index === keys.length - 1}
                onClick={() => swap(index)}
              >
                <IconArrowDown size={15} />
              </ActionIcon>
              <ActionIcon aria-label={`Change ${tier.label}`} onClick={() => setEdited(tier)}>
                <IconPencil size={15} />
              </ActionIcon>
              <ActionIcon aria-label={`Remove ${tier.label}`} disabled={isBusy} onClick={() => removing.mutate(tier)}>
                <IconTrash size={15} />
              </ActionIcon>
            </span>
          </li>
        ))}
      </ul>
      {edited && <TierDialog tier={edited === 'new' ? undefined : edited} onClose={() => setEdited(undefined)} />}
    </section>
  );
}
