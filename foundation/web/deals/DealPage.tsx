import { formatMoment, formatMoney } from '@aether/ui/formats.ts';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { ForChanges } from '@aether/ui/reading.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { Tag } from '@aether/ui/Tag.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, Menu } from '@mantine/core';
import { IconArrowRight, IconThumbDown, IconTrophy } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { changeDeal, dealQuery } from '../api/deals.ts';
import { pipelinesQuery } from '../api/pipelines.ts';
import type { DealRecord, Stage } from '../api/records.ts';
import { customFieldsQuery } from '../api/settings.ts';
import { Timeline } from '../customer/Timeline.tsx';
import { type FieldSpec, flatten, nest, specifyCustom } from '../record/fields.ts';
import { RecordFields } from '../record/RecordFields.tsx';
import { TrailBack, TrailSteps } from '../record/TrailSteps.tsx';
import { CloseDialog } from './CloseDialog.tsx';
import { ClosingRecord } from './ClosingRecord.tsx';
import { useCurrencies } from './currencies.ts';
import { DealContacts } from './DealContacts.tsx';
import classes from './DealPage.module.css';
import { useMoves } from './useMoves.ts';

/** A deal keeps a currency that was withdrawn since, so its own is among the choices. */
const specify = (currencies: string[], currency: string): FieldSpec[] => [
  { field: 'name', label: 'Name', kind: 'text', isRequired: true },
  { field: 'amount', label: 'Amount', kind: 'money', currency, isRequired: true },
  {
    field: 'currency',
    label: 'Currency',
    kind: 'choice',
    choices: currencies.includes(currency) ? currencies : [currency, ...currencies],
    isRequired: true,
  },
  { field: 'owner_id', label: 'Owner', kind: 'person' },
  { field: 'expected_close_on', label: 'Expected close', kind: 'date' },
];

/** One deal: its fields, its contacts, its stage, and the stages it can move to. */
export function DealPage() {
  const { id } = useParams({ from: '/deals/$id' });
  const { data: deal, error, refetch } = useQuery(dealQuery(Number(id)));
  if (error) return <ErrorNotice title="The deal could not be loaded" error={error} onRetry={refetch} />;
  return deal ? <DealView deal={deal} /> : <Waiting />;
}

function DealView({ deal }: { deal: DealRecord }) {
  const client = useQueryClient();
  const moves = useMoves();
  const currencies = useCurrencies();
  const { data } = useQuery(pipelinesQuery);
  const { data: fields } = useQuery(customFieldsQuery('deal'));
  const stages = data?.pipelines.find(({ id }) => id === deal.pipeline_id)?.stages ?? [];
  const toStage = (stage: Stage | undefined) => stage && void moves.move(deal, stage);
  return (
    <>
      <PageHead
        title={
          <>
            <TrailBack kind="deals" id={String(deal.id)} />
            {deal.name}
          </>
        }
        detail={formatMoney(deal.amount, deal.currency)}
      >
        <TrailSteps kind="deals" id={String(deal.id)} />
        <Tag tone={deal.status === 'won' ? 'good' : deal.status === 'lost' ? 'bad' : 'accent'}>{deal.stage_name}</Tag>
        <ForChanges>
          <Menu width={200} position="bottom-end">
            <Menu.Target>
              <Button variant="default" leftSection={<IconArrowRight size={15} />}>
                {deal.status === 'open' ? 'Move to…' : 'Open again in…'}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {stages
                .filter(({ outcome }) => outcome === 'open')
                .map((stage) => (
                  <Menu.Item key={stage.id} disabled={stage.id === deal.stage_id} onClick={() => toStage(stage)}>
                    {stage.name}
                  </Menu.Item>
                ))}
            </Menu.Dropdown>
          </Menu>
          {deal.status === 'open' && (
            <>
              <Button
                variant="default"
                leftSection={<IconThumbDown size={15} />}
                onClick={() => moves.setClosing({ deal, outcome: 'lost' })}
              >
                Lost
              </Button>
              <Button leftSection={<IconTrophy size={15} />} onClick={() => moves.setClosing({ deal, outcome: 'won' })}>
                Won
              </Button>
            </>
          )}
        </ForChanges>
      </PageHead>
      <div className={classes.panes}>
        <div className={classes.page}>
          <ol className={classes.track} aria-label="Stages">
            {stages
              .filter(({ outcome }) => outcome === 'open')
              .map((stage) => (
                <li key={stage.id} aria-current={stage.id === deal.stage_id ? 'step' : undefined}>
                  {stage.name}
                </li>
              ))}
          </ol>
          <RecordFields
            record={`deal:${deal.id}`}
            name={deal.name}
            specs={[...specify(currencies, deal.currency), ...specifyCustom(fields?.custom_fields ?? [])]}
            values={flatten(deal, deal.custom)}
            version={deal.version}
            save={async (change, version) => {
              const saved = await changeDeal(deal.id, nest(change), version);
              await client.invalidateQueries({ queryKey: ['deal', deal.id] });
              for (const key of ['board', 'deals']) void client.invalidateQueries({ queryKey: [key] });
              return saved;
            }}
            reload={async () => {
              const now = await client.fetchQuery({ ...dealQuery(deal.id), staleTime: 0 });
              return { values: flatten(now, now.custom), version: now.version };
            }}
          />
          <DealContacts deal={deal} />
          <dl className={classes.links}>
            {deal.company && (
              <>
                <dt>Company</dt>
                <dd>
                  <Link to="/companies/$id" params={{ id: deal.company.id }}>
                    {deal.company.name}
                  </Link>
                </dd>
              </>
            )}
            <dt>Created</dt>
            <dd>{formatMoment(deal.created_at)}</dd>
          </dl>
          {deal.closing && <ClosingRecord closing={deal.closing} />}
        </div>
        <section className={classes.history} aria-label="History">
          <Timeline
            key={`${deal.id} ${deal.customer.id}`}
            of={{ kind: 'customer', id: deal.customer.id }}
            filters={{ deal: deal.id }}
            dealId={deal.id}
          />
        </section>
      </div>
      <CloseDialog moves={moves} />
    </>
  );
}
