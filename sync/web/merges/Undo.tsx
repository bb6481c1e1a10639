import { ErrorNotice } from '@aether/ui/Notice.tsx';
import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Waiting } from '@aether/ui/Waiting.tsx';
import { Alert, Button, Group, Radio } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import parts from '../parts/parts.module.css';
import { sayName } from './MergeList.tsx';
import classes from './merges.module.css';
import {
  type MergeHead,
  type MergeRecord,
  type Names,
  type UndoReport,
  undoMerge,
  undoPreviewQuery,
} from './queries.ts';
import { sayField, sayRow, sayRows, sayValue } from './words.ts';

type Decision = 'home' | 'stay';
type Decide = (row: string, to: Decision) => void;

/** What taking a merge apart would do, the choices that are left to a person, and the act. */
export function Undo({ merge, onClose }: { merge: MergeRecord; onClose: () => void }) {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery({ ...undoPreviewQuery(merge.id), retry: false });
  const [choices, setChoices] = useState<Record<string, Decision>>({});
  const undoing = useMutation({
    mutationFn: () => undoMerge(merge.id, choices),
    onSuccess: () => {
      for (const key of ['merges', 'customer', 'customers']) void client.invalidateQueries({ queryKey: [key] });
      showDone(`${sayName(merge.loser.name)} is a customer of its own again. The two are not proposed any more.`);
      onClose();
    },
    onError: (problem) => showRefusal('Nothing was taken apart', problem),
  });
  return (
    <section aria-label="Take apart">
      <h2 className={parts.title}>What taking apart would do</h2>
      {error && <ErrorNotice title="It could not be said" error={error} onRetry={refetch} />}
      {!data && !error && <Waiting />}
      {data?.refused && (
        <Alert color="yellow" mb="sm" role="alert">
          They cannot be taken apart. {data.refused.message}
        </Alert>
      )}
      {data && !data.refused && (
        <UndoWords
          report={data}
          merge={merge}
          names={data.names}
          choices={choices}
          onDecide={(row, to) => setChoices((before) => ({ ...before, [row]: to }))}
        />
      )}
      <Group gap="sm" mb="md">
        <Button disabled={!data || data.refused !== null} loading={undoing.isPending} onClick={() => undoing.mutate()}>
          Take apart
        </Button>
        <Button variant="default" onClick={onClose}>
          Leave it as it is
        </Button>
      </Group>
    </section>
  );
}

type UndoWordsProps = {
  report: UndoReport;
  merge: MergeHead;
  names: Names;
  isDone?: boolean;
  choices?: Record<string, Decision>;
  onDecide?: Decide;
};

/** What goes home and what stays, of the preview and of the report alike. */
export function UndoWords({ report, merge, names, isDone = false, choices = {}, onDecide }: UndoWordsProps) {
  const { fieldsBack, fieldsKept, home, kept, ambiguous } = report;
  const [survivor, loser] = [sayName(merge.survivor.name), sayName(merge.loser.name)];
  const goes = Object.entries(home);
  return (
    <>
      <p className={classes.quiet}>
        {goes.length === 0
          ? `Nothing ${isDone ? 'went' : 'goes'} back to ${loser}.`
          : `${goes.map(([table, rows]) => sayRows(table, rows)).join(', ')} ${isDone ? 'went' : 'go'} back to ${loser}.`}
        {fieldsBack.length > 0 &&
          ` ${survivor} ${isDone ? 'got' : 'gets'} back: ${fieldsBack.map(sayField).join(', ')}.`}
      </p>
      {fieldsKept.length > 0 && (
        <ul className={classes.rows} aria-label="Fields that stay">
          {fieldsKept.map(({ field, written, present }) => (
            <li key={field}>
              {sayField(field)} of {survivor} stays {sayValue(field, present, names)}: somebody changed it since the
              merge, from {sayValue(field, written, names)}
            </li>
          ))}
        </ul>
      )}
      {kept.length > 0 && (
        <ul className={classes.rows} aria-label="What stays">
          {kept.map(({ table, key, why }) => (
            <li key={`${table}:${key}`}>
              {sayRow(table)} {key}: {why}
            </li>
          ))}
        </ul>
      )}
      {ambiguous.map(({ table, key, why, default: usual, decided }) => {
        const row = `${table}:${key}`;
        return onDecide ? (
          <Radio.Group
            key={row}
            mb="xs"
            label={`${sayRow(table)}: whose is it?`}
            description={why}
            value={choices[row] ?? usual}
            onChange={(to) => onDecide(row, to as Decision)}
          >
            <Group gap="md" mt={4}>
              <Radio size="xs" value="home" label={`Of ${loser}`} />
              <Radio size="xs" value="stay" label={`Of ${survivor}`} />
            </Group>
          </Radio.Group>
        ) : (
          <p key={row} className={classes.quiet}>
            {sayRow(table)}: {why} It {(decided ?? usual) === 'home' ? `went to ${loser}` : `stayed with ${survivor}`}.
          </p>
        );
      })}
    </>
  );
}
