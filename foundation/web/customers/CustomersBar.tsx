import { Act } from '@aether/ui/Act.tsx';
import { formatNumber } from '@aether/ui/formats.ts';
import { ForChanges } from '@aether/ui/reading.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { SelectionBar } from '@aether/ui/SelectionBar.tsx';
import { showRefusal } from '@aether/ui/toasts.tsx';
import type { Selection } from '@aether/ui/useSelection.ts';
import { Button, Text } from '@mantine/core';
import { IconBuilding, IconCheckbox, IconDownload, IconStars, IconTag, IconUserCheck } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import {
  type ActOutcome,
  type ChosenCustomers,
  type CustomersChange,
  changeCustomers,
  chosenMax,
  exportCustomers,
  matchingCustomers,
} from '../api/acts.ts';
import type { CustomerFilters } from '../api/customers.ts';
import type { ListedCustomer } from '../api/records.ts';
import { CompanyPicker, PersonPicker } from '../inputs/Picker.tsx';
import { TierInput } from '../inputs/TierInput.tsx';
import { OutcomeDialog } from './OutcomeDialog.tsx';
import { TagMenu } from './TagMenu.tsx';
import { TasksDialog } from './TasksDialog.tsx';
import { tellLost, tellOutcome } from './tellOutcome.ts';

type CustomersBarProps = {
  selection: Selection;
  filters: CustomerFilters;
  rows: ListedCustomer[];
  total: number | undefined;
  hasMore: boolean;
};

type Acting = { done: string; change: CustomersChange };

const inside = { withinPortal: false };

/** What can be done with the chosen customers: a manager, a tier, a tag or a task for each, or a file with them. */
export function CustomersBar({ selection, filters, rows, total, hasMore }: CustomersBarProps) {
  const client = useQueryClient();
  const [told, setTold] = useState<ActOutcome>();
  const [isAddingTasks, setAddingTasks] = useState(false);
  /** The versions that the person has seen, also of a chosen customer who has left the list since. */
  const [versions] = useState(() => new Map<string, number>());
  for (const { id, version } of rows) versions.set(id, version);
  const chosen = chooseOf(selection, filters, versions);
  const tooMany = !selection.all && selection.keys.size > chosenMax;

  const tell = (done: string, outcome: ActOutcome) => {
    void client.invalidateQueries({ queryKey: ['customers'] });
    tellOutcome(done, outcome, { client, onRefused: setTold });
  };
  const acting = useMutation({
    mutationFn: ({ change, id }: Acting & { id: string }) => changeCustomers(chosen, change, id),
    onSuccess: (outcome, { done }) => tell(done, outcome),
    onError: (error, { id }) => {
      if (error instanceof Refusal && error.isUncertain) tellLost(id, client);
      else showRefusal('Nothing was changed', error);
    },
  });
  const act = (asked: Acting) => acting.mutate({ ...asked, id: crypto.randomUUID() });
  const exporting = useMutation({
    mutationFn: () => exportCustomers(chosen),
    onSuccess: (file) => saveFile(file, 'customers.csv'),
    onError: (error) => showRefusal('The file was not made', error),
  });
  const isOff = tooMany || acting.isPending;
  return (
    <SelectionBar selection={selection} total={total} hasMore={hasMore}>
      {tooMany && (
        <Text size="sm" c="dimmed">
          At most {formatNumber(chosenMax)} can be chosen one by one: choose all that match.
        </Text>
      )}
      <ForChanges>
        <Act label="Manager" icon={<IconUserCheck size={15} />} isOff={isOff}>
          {(close) => (
            <>
              <PersonPicker
                label="New account manager"
                data-autofocus
                comboboxProps={inside}
                value={null}
                onChange={(account_manager_id) => {
                  close();
                  act({ done: 'have the new manager', change: { account_manager_id } });
                }}
              />
              <Button
                variant="default"
                onClick={() => {
                  close();
                  act({ done: 'have no manager', change: { account_manager_id: null } });
                }}
              >
                Take the manager away
              </Button>
            </>
          )}
        </Act>
        <Act label="Tier" icon={<IconStars size={15} />} isOff={isOff}>
          {(close) => (
            <>
              <TierInput
                label="New tier"
                data-autofocus
                comboboxProps={inside}
                value={null}
                onChange={(account_tier) => {
                  close();
                  act({ done: 'have the new tier', change: { account_tier } });
                }}
              />
              <Button
                variant="default"
                onClick={() => {
                  close();
                  act({ done: 'have no tier', change: { account_tier: null } });
                }}
              >
                Take the tier away
              </Button>
            </>
          )}
        </Act>
        <Act label="Company" icon={<IconBuilding size={15} />} isOff={isOff}>
          {(close) => (
            <>
              <CompanyPicker
                label="New company"
                data-autofocus
                comboboxProps={inside}
                value={null}
                onChange={(company_id) => {
                  close();
                  act({ done: 'have the new company', change: { company_id } });
                }}
              />
              <Button
                variant="default"
                onClick={() => {
                  close();
                  act({ done: 'have no company', change: { company_id: null } });
                }}
              >
                Take the company away
              </Button>
            </>
          )}
        </Act>
        <Act label="Tag" icon={<IconTag size={15} />} isOff={isOff}>
          {(close) => (
            <TagMenu
              onPick={(id, isAdded) => {
                close();
                act(
                  isAdded
                    ? { done: 'have the tag', change: { add_tag_id: id } }
                    : { done: 'have the tag no more', change: { remove_tag_id: id } },
                );
              }}
            />
          )}
        </Act>
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconCheckbox size={15} />}
          disabled={isOff}
          onClick={() => setAddingTasks(true)}
        >
          Task
        </Button>
      </ForChanges>
      <Button
        variant="default"
        size="compact-sm"
        leftSection={<IconDownload size={15} />}
        disabled={tooMany}
        loading={exporting.isPending}
        onClick={() => exporting.mutate()}
      >
        Export
      </Button>
      {isAddingTasks && (
        <TasksDialog
          chosen={chosen}
          onDone={(outcome) => tell('have the task', outcome)}
          onClose={() => setAddingTasks(false)}
        />
      )}
      {told && <OutcomeDialog outcome={told} onClose={() => setTold(undefined)} />}
    </SelectionBar>
  );
}

/** All that match but for some, or those that were chosen, with the versions that the person has seen. */
function chooseOf(
  { all, keys }: Selection,
  filters: CustomerFilters,
  versions: ReadonlyMap<string, number>,
): ChosenCustomers {
  if (all) return matchingCustomers(filters, [...keys]);
  return { chosen: Object.fromEntries([...keys].map((id) => [id, versions.get(id) ?? 1])) };
}

function saveFile(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
