import { LastChanged } from '@aether/ui/changes/LastChanged.tsx';
import { Dialog } from '@aether/ui/Dialog.tsx';
import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { PageHead } from '@aether/ui/Shell.tsx';
import { showDone } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Button, NumberInput, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import { StewardOnly } from '../merges/StewardOnly.tsx';
import { useMe } from '../shell/person.ts';
import { When } from '../times/When.tsx';
import { PrivacyNavigation } from './PrivacyNavigation.tsx';
import classes from './privacy.module.css';
import { type Aged, type RetentionRule, retentionPreviewQuery, retentionQuery, setRetention } from './queries.ts';
import { sayCount, sayKept, sayKind } from './words.ts';

/** How long each kind is kept, and what goes next. */
export function RetentionPage() {
  const { isSteward, isAdmin } = useMe();
  const { data, error, refetch } = useQuery({ ...retentionQuery, enabled: isSteward });
  const [changed, setChanged] = useState<RetentionRule>();
  return (
    <StewardOnly does="see how long things are kept">
      <PageHead title="Privacy" detail="how long things are kept" />
      <div className={classes.page}>
        <LastChanged kind="retention" at="/changes" />
        <PrivacyNavigation />
        {error && <ErrorNotice title="The rules could not be read" error={error} onRetry={refetch} />}
        {!data && !error && <Waiting />}
        <ul className={classes.list} aria-label="Rules">
          {data?.rules.map((rule) => (
            <li key={rule.kind} className={classes.rule}>
              <div className={classes.what}>
                <b>{sayKind(rule.kind)}</b>
                <span className={classes.quiet}>{rule.meaning}</span>
                <Next next={rule.next} />
              </div>
              <div className={classes.kept}>
                <span>{sayKept(rule.days)}</span>
                {rule.set_by === 'SYNC_KEEP_DAYS' ? (
                  <span className={classes.quiet}>set by SYNC_KEEP_DAYS of the workers</span>
                ) : (
                  isAdmin && (
                    <Button
                      size="compact-sm"
                      variant="default"
                      onClick={() => setChanged(rule)}
                      aria-label={`Change ${sayKind(rule.kind)}`}
                    >
                      Change…
                    </Button>
                  )
                )}
                {rule.round_ended_at && (
                  <span className={classes.quiet}>
                    looked at <When at={rule.round_ended_at} />
                  </span>
                )}
              </div>
            </li>
          ))}
        </ul>
        {changed && <ChangeRule rule={changed} onClose={() => setChanged(undefined)} />}
      </div>
    </StewardOnly>
  );
}

function Next({ next }: { next: Aged[] }) {
  const due = next.filter(({ rows }) => rows > 0);
  if (next.length === 0) return null;
  if (due.length === 0) return <span className={classes.quiet}>Nothing is that old.</span>;
  return (
    <span>
      Next:{' '}
      {due.map(({ table, rows, oldest }, place) => (
        <span key={table}>
          {place > 0 && ', '}
          {sayCount(rows)} of {table}
          {oldest && (
            <>
              , the oldest of <When at={oldest} />
            </>
          )}
        </span>
      ))}
    </span>
  );
}

/** Changes a rule, and says before what it would remove next. */
function ChangeRule({ rule, onClose }: { rule: RetentionRule; onClose: () => void }) {
  const [days, setDays] = useState<number | ''>(rule.days ?? '');
  const [reason, setReason] = useState('');
  const queries = useQueryClient();
  const asked = useDeferredValue(days);
  const { data } = useQuery({ ...retentionPreviewQuery(rule.kind, asked === '' ? 1 : asked), enabled: asked !== '' });
  const mayBeForever = rule.set_by === 'rule';
  const faults: Record<string, string> = {};
  if (days === '' && !mayBeForever) faults.days = 'Say a number of days.';
  if (reason.trim() === '') faults.reason = 'Say why: everybody sees it later.';
  return (
    <Dialog
      title={`How long ${sayKind(rule.kind).toLowerCase()} are kept`}
      verb="Change"
      faults={faults}
      save={() => setRetention(rule.kind, days === '' ? null : days, reason.trim())}
      onSaved={() => {
        void queries.invalidateQueries({ queryKey: ['retention'] });
        showDone(`${sayKind(rule.kind)}: ${sayKept(days === '' ? null : days)}.`);
        onClose();
      }}
      onClose={onClose}
    >
      {(errors) => (
        <>
          <Text size="sm">{rule.meaning}</Text>
          <NumberInput
            name="days"
            label="Days"
            description={`From ${rule.days_min} to ${rule.days_max}${mayBeForever ? '; empty: kept until somebody is erased' : ''}`}
            min={rule.days_min}
            max={rule.days_max}
            allowDecimal={false}
            value={days}
            onChange={(next) => setDays(typeof next === 'number' ? next : '')}
            error={errors.days}
            data-autofocus
          />
          {asked !== '' && data && <Next next={data.next} />}
          <TextInput
            name="reason"
            label="Reason"
            maxLength={500}
            value={reason}
            onChange={({ currentTarget }) => setReason(currentTarget.value)}
            error={errors.reason}
          />
        </>
      )}
    </Dialog>
  );
}
