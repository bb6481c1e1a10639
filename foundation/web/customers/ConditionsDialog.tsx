import { Picker } from '@aether/ui/Picker.tsx';
import {
  ActionIcon,
  Button,
  Modal,
  NumberInput,
  Group as Row,
  SegmentedControl,
  Stack,
  TextInput,
} from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import classes from './ConditionsDialog.module.css';
import { isComplete, type Known, kindOf, listChoices, listFields, operators } from './conditions.ts';
import { useKnown } from './useKnown.ts';
import { type Condition, type Group, isGroup, type Match, type Where } from './where.ts';

/** A condition while it is written: each has a key of its own, so that its inputs stay when another one goes. */
type Draft = Condition & { key: number };
type DraftGroup = { key: number; match: Match; conditions: Draft[] };

let lastKey = 0;
const newKey = () => ++lastKey;
const newCondition = (): Draft => ({ key: newKey(), field: '', op: '' });
const isDraftGroup = (one: Draft | DraftGroup): one is DraftGroup => 'conditions' in one;

const toDraft = (one: Condition | Group): Draft | DraftGroup =>
  isGroup(one)
    ? { ...one, key: newKey(), conditions: one.conditions.map((each) => ({ ...each, key: newKey() })) }
    : { ...one, key: newKey() };
const fromDraft = ({ field, op, value }: Draft): Condition => ({ field, op, ...(value !== undefined && { value }) });

type ConditionsDialogProps = {
  where: Where | undefined;
  onChange: (where: Where | undefined) => void;
  onClose: () => void;
};

/** The conditions of the list, to write and to change. They apply together, when the list is asked for. */
export function ConditionsDialog({ where, onChange, onClose }: ConditionsDialogProps) {
  const known = useKnown();
  const [match, setMatch] = useState<Match>(where?.match ?? 'all');
  const [drafts, setDrafts] = useState<(Draft | DraftGroup)[]>(
    () => where?.conditions.map(toDraft) ?? [newCondition()],
  );
  const [isTried, setTried] = useState(false);
  const replace = (key: number, next: Draft | DraftGroup | undefined) =>
    setDrafts((all) => all.flatMap((each) => (each.key === key ? (next ? [next] : []) : [each])));
  const every = drafts.flatMap((each) => (isDraftGroup(each) ? each.conditions : [each]));

  const submit = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setTried(true);
    if (every.some((each) => !isComplete(each, known))) return;
    const conditions = drafts.flatMap((each): (Condition | Group)[] => {
      if (!isDraftGroup(each)) return [fromDraft(each)];
      return each.conditions.length === 0 ? [] : [{ match: each.match, conditions: each.conditions.map(fromDraft) }];
    });
    onChange(conditions.length === 0 ? undefined : { match, conditions });
    onClose();
  };
  return (
    <Modal opened onClose={onClose} title="Which customers to show" size="lg">
      <form onSubmit={submit} noValidate>
        <Stack gap="sm">
          <MatchInput label="Of these conditions" value={match} onChange={setMatch} />
          {drafts.map((each, at) =>
            isDraftGroup(each) ? (
              <GroupInput
                key={each.key}
                name={`Group ${at + 1}`}
                group={each}
                known={known}
                isTried={isTried}
                onChange={(next) => replace(each.key, next)}
              />
            ) : (
              <ConditionInput
                key={each.key}
                name={`Condition ${at + 1}`}
                condition={each}
                known={known}
                isTried={isTried}
                onChange={(next) => replace(each.key, next)}
              />
            ),
          )}
          <Row gap="xs">
            <Button
              variant="default"
              size="compact-sm"
              leftSection={<IconPlus size={14} />}
              onClick={() => setDrafts([...drafts, newCondition()])}
            >
              Add a condition
            </Button>
            <Button
              variant="default"
              size="compact-sm"
              leftSection={<IconPlus size={14} />}
              onClick={() =>
                setDrafts([
                  ...drafts,
                  { key: newKey(), match: match === 'all' ? 'any' : 'all', conditions: [newCondition()] },
                ])
              }
            >
              Add a group
            </Button>
          </Row>
          <Row justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit">Show customers</Button>
          </Row>
        </Stack>
      </form>
    </Modal>
  );
}

function MatchInput({ label, value, onChange }: { label: string; value: Match; onChange: (match: Match) => void }) {
  return (
    <Row gap="xs">
      <span id={`match-${label}`}>{label}</span>
      <SegmentedControl
        size="xs"
        aria-labelledby={`match-${label}`}
        value={value}
        onChange={(next) => onChange(next as Match)}
        data={[
          { value: 'all', label: 'all' },
          { value: 'any', label: 'any' },
        ]}
      />
      <span>must fit</span>
    </Row>
  );
}

type GroupInputProps = {
  name: string;
  group: DraftGroup;
  known: Known;
  isTried: boolean;
  onChange: (next: DraftGroup | undefined) => void;
};

function GroupInput({ name, group, known, isTried, onChange }: GroupInputProps) {
  const { conditions } = group;
  const replace = (key: number, next: Draft | undefined) => {
    const kept = conditions.flatMap((each) => (each.key === key ? (next ? [next] : []) : [each]));
    onChange(kept.length === 0 ? undefined : { ...group, conditions: kept });
  };
  return (
    <fieldset className={classes.group} aria-label={name}>
      <Stack gap="xs">
        <MatchInput
          label={`${name}: of these`}
          value={group.match}
          onChange={(match) => onChange({ ...group, match })}
        />
        {conditions.map((each, at) => (
          <ConditionInput
            key={each.key}
            name={`${name}, condition ${at + 1}`}
            condition={each}
            known={known}
            isTried={isTried}
            onChange={(next) => replace(each.key, next)}
          />
        ))}
        <Row gap="xs">
          <Button
            variant="subtle"
            size="compact-sm"
            leftSection={<IconPlus size={14} />}
            onClick={() => onChange({ ...group, conditions: [...conditions, newCondition()] })}
          >
            Add to the group
          </Button>
        </Row>
      </Stack>
    </fieldset>
  );
}

type ConditionInputProps = {
  name: string;
  condition: Draft;
  known: Known;
  isTried: boolean;
  onChange: (next: Draft | undefined) => void;
};

/** One condition: a field, what is asked of it, and the value. */
function ConditionInput({ name, condition, known, isTried, onChange }: ConditionInputProps) {
  const { field, op } = condition;
  const kind = kindOf(field, known);
  const offered = operators[kind ?? ''] ?? [];
  const isGone = field !== '' && kind === undefined && known.fields !== undefined;
  const isMissing = isTried && !isComplete(condition, known);
  const choose = (next: string | null) => {
    const first = operators[kindOf(next ?? '', known) ?? '']?.[0];
    onChange({ key: condition.key, field: next ?? '', op: first?.op ?? '' });
  };
  return (
    <fieldset className={classes.condition} aria-label={name}>
      <Picker
        aria-label={`${name}: field`}
        placeholder="Field"
        data-autofocus={field === '' || undefined}
        data={listFields(known)}
        value={field || null}
        text={field.replace('custom.', '')}
        error={isGone ? 'This field was removed.' : isMissing && field === '' ? 'Choose a field.' : undefined}
        onChange={choose}
      />
      {kind !== undefined && (
        <Picker
          aria-label={`${name}: how`}
          data={offered.map((each) => ({ value: each.op, label: each.label }))}
          value={op || null}
          onChange={(next) => {
            const shape = (of: string) => offered.find((each) => each.op === of)?.shape;
            const isSame = shape(next ?? '') === shape(op);
            onChange({ ...condition, op: next ?? '', value: isSame ? condition.value : undefined });
          }}
        />
      )}
      {kind !== undefined && (
        <ValueInput name={name} condition={condition} known={known} isMissing={isMissing} onChange={onChange} />
      )}
      <ActionIcon
        className={classes.remove}
        variant="subtle"
        aria-label={`Take away: ${name}`}
        onClick={() => onChange(undefined)}
      >
        <IconX size={16} />
      </ActionIcon>
    </fieldset>
  );
}

type ValueInputProps = Omit<ConditionInputProps, 'isTried'> & { isMissing: boolean };

function ValueInput({ name, condition, known, isMissing, onChange }: ValueInputProps) {
  const { field, op, value } = condition;
  const shape = operators[kindOf(field, known) ?? '']?.find((each) => each.op === op)?.shape;
  const set = (next: unknown) => onChange({ ...condition, value: next });
  const error = (words: string) => (isMissing ? words : undefined);
  const pair = (Array.isArray(value) ? value : []) as unknown[];
  const setAt = (at: number, next: unknown) => set([0, 1].map((each) => (each === at ? next : pair[each])));
  const number = (label: string, now: unknown, put: (next: unknown) => void, more: object = {}) => (
    <NumberInput
      key={label}
      aria-label={`${name}: ${label}`}
      hideControls
      value={typeof now === 'number' ? now : ''}
      error={error('Write a number.')}
      onChange={(next) => put(typeof next === 'number' ? next : undefined)}
      {...more}
    />
  );
  const day = (label: string, now: unknown, put: (next: unknown) => void) => (
    <TextInput
      key={label}
      type="date"
      aria-label={`${name}: ${label}`}
      value={typeof now === 'string' ? now.slice(0, 10) : ''}
      error={error('Choose a day.')}
      onChange={(event) => put(event.currentTarget.value || undefined)}
    />
  );
  switch (shape) {
    case 'text':
      return (
        <TextInput
          aria-label={`${name}: text`}
          value={typeof value === 'string' ? value : ''}
          error={error('Write a word.')}
          maxLength={200}
          onChange={(event) => set(event.currentTarget.value || undefined)}
        />
      );
    case 'number':
      return number(
        'number',
        value,
        set,
        field === 'open_deal' && known.currency ? { suffix: ` ${known.currency}` } : {},
      );
    case 'span':
      return number('days', value, set, { suffix: value === 1 ? ' day' : ' days', allowDecimal: false, min: 1 });
    case 'numbers':
      return (
        <div className={classes.pair}>
          {number('from', pair[0], (next) => setAt(0, next))}
          {number('to', pair[1], (next) => setAt(1, next))}
        </div>
      );
    case 'day':
    case 'moment':
      return day('day', value, set);
    case 'days':
      return (
        <div className={classes.pair}>
          {day('from', pair[0], (next) => setAt(0, next))}
          {day('to', pair[1], (next) => setAt(1, next))}
        </div>
      );
    case 'words':
    case 'ids':
      return (
        <ChoicesInput
          name={name}
          choices={listChoices({ field, op }, known)}
          chosen={pair.map(String)}
          error={error('Choose at least one.')}
          onChange={(next) => set(next.length === 0 ? undefined : shape === 'ids' ? next.map(Number) : next)}
        />
      );
    default:
      return null;
  }
}

type ChoicesInputProps = {
  name: string;
  choices: { value: string; label: string }[];
  chosen: string[];
  error: string | undefined;
  onChange: (chosen: string[]) => void;
};

/** Several of some choices: each that is taken can be put back, and the picker offers the others. */
function ChoicesInput({ name, choices, chosen, error, onChange }: ChoicesInputProps) {
  const labelOf = (value: string) => choices.find((each) => each.value === value)?.label ?? `${value} (removed)`;
  return (
    <Stack gap={4}>
      {chosen.length > 0 && (
        <Row gap={4}>
          {chosen.map((value) => (
            <Button
              key={value}
              variant="light"
              size="compact-sm"
              rightSection={<IconX size={13} />}
              aria-label={`Take away: ${labelOf(value)}`}
              onClick={() => onChange(chosen.filter((each) => each !== value))}
            >
              {labelOf(value)}
            </Button>
          ))}
        </Row>
      )}
      <Picker
        aria-label={`${name}: choices`}
        placeholder={chosen.length > 0 ? 'Another one' : 'Choose'}
        key={chosen.join()}
        data={choices.filter(({ value }) => !chosen.includes(value))}
        value={null}
        error={error}
        onChange={(value) => value !== null && onChange([...chosen, value])}
      />
    </Stack>
  );
}
