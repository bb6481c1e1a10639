import { splitRefusal } from '@aether/ui/faults.ts';
import { Refusal } from '@aether/ui/refusal.ts';
import { showUndo } from '@aether/ui/toasts.tsx';
import { describeDraft, useDraft } from '@aether/ui/useDraft.ts';
import { NumberInput, Radio, Stack, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { Team, TeamChange } from '../api/records.ts';
import { changeTeamOf } from '../api/teams.ts';
import { HolidaysEditor } from './HolidaysEditor.tsx';
import { MembersEditor } from './MembersEditor.tsx';
import { OfficeHoursEditor } from './OfficeHoursEditor.tsx';
import { ruleNames } from './rules.ts';
import { SaveBar } from './SaveBar.tsx';
import classes from './settings.module.css';
import { TargetsEditor } from './TargetsEditor.tsx';
import { findTeamFaults } from './teamfaults.ts';

type Values = Pick<Team, 'name' | 'assigning' | 'open_max' | 'hours' | 'targets' | 'members'>;

const pick = ({ name, assigning, open_max, hours, targets, members }: Team): Values => ({
  name,
  assigning,
  open_max,
  hours,
  targets,
  members,
});
const begin = (team: Team) => ({ begun: team, values: pick(team) });
const isUnchanged = ({ begun, values }: ReturnType<typeof begin>): boolean =>
  JSON.stringify(pick(begun)) === JSON.stringify(values);

const toChange = ({ members, name, ...values }: Values): TeamChange => ({
  ...values,
  name: name.trim(),
  members: members.map(({ agent, languages }) => ({ agent_id: agent.id, languages })),
});

const rules = Object.keys(ruleNames) as Team['assigning'][];

/** A team: its members, its hours with the holidays, its rule and its targets. Saved as a whole. */
export function TeamForm({ team }: { team: Team }) {
  const client = useQueryClient();
  const draft = useDraft(`team:${team.id}`, begin(team), isUnchanged);
  const { begun, values } = draft.value;
  const restart = (from: Team) => draft.set(begin(from));
  const save = async (given: Values, expected_version: number) => {
    const saved = await changeTeamOf(team.id, { ...toChange(given), expected_version });
    for (const key of ['teams', 'widgets', 'own-agent']) await client.invalidateQueries({ queryKey: [key] });
    return saved;
  };
  const saving = useMutation({
    mutationFn: (version: number) => save(values, version),
    onSuccess: (saved) => {
      showUndo({
        message: `${saved.name} was saved.`,
        undo: async () => restart(await save(pick(begun), saved.version)),
      });
      restart(saved);
    },
    onError: () => client.invalidateQueries({ queryKey: ['teams'] }),
  });
  const faults = findTeamFaults(values);
  const refused = saving.error instanceof Refusal ? Object.keys(saving.error.fields) : [];
  const { atFields: errors, rest } = splitRefusal(saving.error, [
    ...['name', 'open_max'],
    ...refused.filter((field) => field.startsWith('hours.holidays[')),
  ]);
  const isConflict = saving.error instanceof Refusal && saving.error.isConflict;
  const set = (part: Partial<Values>) => {
    if (saving.error) saving.reset();
    draft.change({ values: { ...values, ...part } });
  };
  return (
    <form
      className={classes.stack}
      aria-label="Team"
      onSubmit={(event) => {
        event.preventDefault();
        if (draft.isThere && faults.length === 0) saving.mutate(begun.version);
      }}
    >
      <TextInput
        label="Name"
        withAsterisk
        maxLength={80}
        value={values.name}
        error={errors.name}
        onChange={(event) => set({ name: event.currentTarget.value })}
      />
      <h2 className={classes.title}>Members</h2>
      <MembersEditor members={values.members} onChange={(members) => set({ members })} />
      <h2 className={classes.title}>Who gets the next conversation</h2>
      <Radio.Group
        aria-label="Who gets the next conversation"
        value={values.assigning}
        onChange={(assigning) => set({ assigning: assigning as Team['assigning'] })}
      >
        <Stack gap={6}>
          {rules.map((rule) => (
            <Radio key={rule} size="xs" value={rule} label={ruleNames[rule]} />
          ))}
        </Stack>
      </Radio.Group>
      {values.assigning !== 'none' && (
        <NumberInput
          label="At most so many open conversations each"
          description="Only members who are online get any; who speaks the visitor’s language comes first."
          placeholder="No limit"
          min={1}
          max={1_000}
          allowDecimal={false}
          value={values.open_max ?? ''}
          error={errors.open_max}
          onChange={(given) => set({ open_max: given === '' ? null : Number(given) })}
        />
      )}
      <h2 className={classes.title}>Office hours</h2>
      <OfficeHoursEditor
        hours={values.hours}
        onChange={(hours) => set({ hours: hours && { holidays: values.hours?.holidays ?? [], ...hours } })}
      />
      {values.hours && (
        <>
          <h2 className={classes.title}>Holidays</h2>
          <HolidaysEditor
            holidays={values.hours.holidays}
            errors={errors}
            onChange={(holidays) => values.hours && set({ hours: { ...values.hours, holidays } })}
          />
        </>
      )}
      <h2 className={classes.title}>Targets</h2>
      <TargetsEditor targets={values.targets} onChange={(targets) => set({ targets })} />
      {draft.isThere && (
        <SaveBar
          isConflict={isConflict}
          isSaving={saving.isPending}
          canSave={faults.length === 0}
          words={faults[0] ?? rest ?? (saving.error ? undefined : describeDraft(draft))}
          onDiscard={() => {
            saving.reset();
            draft.discard();
          }}
          onOverwrite={() => saving.mutate(team.version)}
        />
      )}
    </form>
  );
}
