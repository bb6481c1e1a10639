import { showDone, showRefusal } from '@aether/ui/toasts.tsx';
import { Alert, Button, Group, List } from '@mantine/core';
import { IconAlertCircle } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { View, ViewPage } from '../api/records.ts';
import { changeView, viewsQuery } from '../api/settings.ts';
import { writeSearch } from '../inputs/urlvalues.ts';
import { useMe } from '../shell/person.ts';
import type { CustomerSearch } from './search.ts';
import { without } from './where.ts';

type OutdatedNoticeProps = {
  page: ViewPage;
  outdated: Record<string, string>;
  search: CustomerSearch;
  onChange: (part: Partial<CustomerSearch>) => void;
};

/** Says what of a filter or an order is not there any more, and offers to go on without it, also in the saved view. */
export function OutdatedNotice({ page, outdated, search, onChange }: OutdatedNoticeProps) {
  const me = useMe();
  const client = useQueryClient();
  const { data } = useQuery(viewsQuery(page));
  const { create: _, ...shown } = search;
  const paths = Object.keys(outdated);
  const mended: Partial<CustomerSearch> = {
    ...(search.where !== undefined && { where: without(search.where, paths) }),
    ...(paths.includes('sort') && { sort: undefined, dir: undefined }),
  };
  const now = writeSearch(shown);
  const view = data?.views.find(({ query }) => query === now);
  const save = useMutation({
    mutationFn: ({ id }: View) => changeView(id, { query: writeSearch({ ...shown, ...mended }) }),
    onSuccess: ({ name }) => {
      void client.invalidateQueries({ queryKey: ['views', page] });
      onChange(mended);
      showDone(`The view “${name}” is kept without it.`);
    },
    onError: (error) => showRefusal('The view was not changed', error),
  });
  return (
    <Alert
      color="red"
      variant="light"
      title={`${view ? `The view “${view.name}”` : 'This list'} names what was removed`}
      icon={<IconAlertCircle size={18} />}
      m="md"
      c="var(--bad)"
    >
      <List size="sm" mb="sm">
        {paths.map((path) => (
          <List.Item key={path}>
            {path === 'sort' ? 'Sorted by' : 'Filtered by'} {outdated[path]}
          </List.Item>
        ))}
      </List>
      <Group gap="xs">
        <Button variant="default" onClick={() => onChange(mended)}>
          Show the list without it
        </Button>
        {view && mayChange(view, me) && (
          <Button variant="default" loading={save.isPending} onClick={() => save.mutate(view)}>
            Keep the view without it
          </Button>
        )}
      </Group>
    </Alert>
  );
}

const mayChange = (view: View, me: { id: string; isAdmin: boolean; isReader: boolean }) =>
  me.isReader ? view.owner_id === me.id && !view.is_shared : view.owner_id === me.id || (view.is_shared && me.isAdmin);
