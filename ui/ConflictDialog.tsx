import { Button, Group, Modal, Radio, Stack, Table, Text } from '@mantine/core';
import { useState } from 'react';
import { type Difference, findDifferences, resolve, type Side, suggestSides } from './conflict.ts';

export type Conflict = {
  /** The record's name, such as `Ada Lovelace`. */
  name: string;
  base: Record<string, unknown>;
  mine: Record<string, unknown>;
  theirs: Record<string, unknown>;
};

type ConflictDialogProps = {
  conflict: Conflict;
  describe: (field: string, value: unknown) => { label: string; text: string };
  /** Called with the change to send at the present version; it is empty if the person chose the stored value for every field. */
  onResolve: (change: Record<string, unknown>) => void;
  onCancel: () => void;
};

/** Somebody else saved first: shows the differences field by field and lets the person choose. */
export function ConflictDialog({ conflict, describe, onResolve, onCancel }: ConflictDialogProps) {
  const differences = findDifferences(conflict.base, conflict.mine, conflict.theirs);
  const [sides, setSides] = useState<Record<string, Side>>(() => suggestSides(differences));
  const open = differences.filter(({ field }) => !sides[field]);
  return (
    <Modal opened onClose={onCancel} size="xl" title={`${conflict.name} was changed while you were editing`}>
      <Stack>
        <Text size="sm">Nothing of yours is lost yet. Choose for each field which value to keep.</Text>
        <Table.ScrollContainer minWidth={420}>
          <Table verticalSpacing="xs" layout="fixed">
            <Table.Thead>
              <Table.Tr>
                <Table.Th w="24%">Field</Table.Th>
                <Table.Th>Yours</Table.Th>
                <Table.Th>Theirs, stored now</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {differences.map((difference) => (
                <DifferenceRow
                  key={difference.field}
                  difference={difference}
                  side={sides[difference.field]}
                  describe={describe}
                  onChoose={(side) => setSides({ ...sides, [difference.field]: side })}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>
            Discard mine
          </Button>
          <Button disabled={open.length > 0} onClick={() => onResolve(resolve(differences, sides))}>
            Save these
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

type DifferenceRowProps = {
  difference: Difference;
  side: Side | undefined;
  describe: ConflictDialogProps['describe'];
  onChoose: (side: Side) => void;
};

function DifferenceRow({ difference: { field, base, mine, theirs }, side, describe, onChoose }: DifferenceRowProps) {
  const { label, text: before } = describe(field, base);
  const choice = (value: Side, shown: unknown) => (
    <Table.Td>
      <Radio
        size="xs"
        name={`side-${field}`}
        checked={side === value}
        onChange={() => onChoose(value)}
        label={describe(field, shown).text}
        aria-label={`${label}: ${value}, ${describe(field, shown).text}`}
      />
    </Table.Td>
  );
  return (
    <Table.Tr>
      <Table.Th scope="row">
        {label}
        <Text size="xs" c="dimmed" fw={400}>
          was {before}
        </Text>
      </Table.Th>
      {choice('mine', mine)}
      {choice('theirs', theirs)}
    </Table.Tr>
  );
}
