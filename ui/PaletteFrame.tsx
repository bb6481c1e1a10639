import { contains } from '@aether/platform/folding';
import { createSpotlight, Spotlight, useSpotlight } from '@mantine/spotlight';
import { IconFileSearch, IconSearch } from '@tabler/icons-react';
import { type KeyboardEvent, type ReactNode, useEffect } from 'react';

export type Entry = { id: string; label: string; detail?: string; icon: ReactNode; run: () => void };

const [store, actions] = createSpotlight();

type PaletteFrameProps = {
  /** It opens when this grows. */
  openings: number;
  query: string;
  onQueryChange: (query: string) => void;
  placeholder: string;
  /** The records found for the query, in the order of the screen. */
  found: { label: string; entries: Entry[] }[];
  /** Shown if their labels contain the query's words. */
  commands: Entry[];
  /** Searches in texts for what is typed, on a page of its own. */
  search?: (words: string) => void;
  /** The records of the query are still to come. */
  isSearching?: boolean;
};

/** Finds records by name, pages and actions with the keyboard. */
export function PaletteFrame(props: PaletteFrameProps) {
  const { openings, query, onQueryChange, placeholder, found, commands, search, isSearching = false } = props;
  useEffect(() => {
    if (openings > 0) actions.open();
  }, [openings]);
  const words = query.trim().toLowerCase();
  const matching = commands.filter(({ label }) => contains(label, words));
  const known = [...found, { label: 'Commands', entries: matching }].filter(({ entries }) => entries.length > 0);
  // The last one. It alone would be taken by an Enter that comes before the records of a name.
  const inTexts: Entry[] =
    search && !(isSearching && known.length === 0)
      ? [
          {
            id: 'search-texts',
            label: words === '' ? 'Search in texts' : `Search in texts for “${query.trim()}”`,
            icon: <IconFileSearch size={16} />,
            run: () => search(query.trim()),
          },
        ]
      : [];
  const groups = [...known, { label: 'In texts', entries: inTexts }].filter(({ entries }) => entries.length > 0);
  // After the entries of this query are drawn, the first is selected, so that Enter takes it; also those of no query, when it opens.
  const first = groups[0]?.entries[0]?.id;
  const { opened } = useSpotlight(store);
  // biome-ignore lint/correctness/useExhaustiveDependencies: for each query the first again
  useEffect(() => {
    if (opened && first !== undefined) requestAnimationFrame(selectFirst);
  }, [opened, words, first]);
  return (
    <Spotlight.Root
      query={query}
      onQueryChange={onQueryChange}
      store={store}
      shortcut={null}
      closeOnActionTrigger
      clearQueryOnClose
      overlayProps={{ blur: 0 }}
      scrollable
      maxHeight={420}
    >
      <Spotlight.Search
        placeholder={placeholder}
        aria-label="Search and commands"
        onKeyDown={takeFirst}
        leftSection={<IconSearch size={17} />}
      />
      <Spotlight.ActionsList>
        {groups.map(({ label, entries }) => (
          <Spotlight.ActionsGroup key={label} label={label}>
            {entries.map(({ id, label: name, detail, icon, run }) => (
              <Spotlight.Action key={id} label={name} description={detail} leftSection={icon} onClick={run} />
            ))}
          </Spotlight.ActionsGroup>
        ))}
        {groups.length === 0 && !isSearching && <Spotlight.Empty>Nothing is called that.</Spotlight.Empty>}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  );
}

/** An Enter that comes before the selection, which is a frame late, takes what that would select. Spotlight then runs what is selected. */
function takeFirst({ key, nativeEvent }: KeyboardEvent): void {
  if (key !== 'Enter' || nativeEvent.isComposing) return;
  const list = document.getElementById(store.getState().listId);
  if (!list?.querySelector('[data-selected]')) selectFirst();
}

/** Spotlight offers this only for its own keys. */
function selectFirst(): void {
  const list = document.getElementById(store.getState().listId);
  list?.querySelector('[data-selected]')?.removeAttribute('data-selected');
  list?.querySelector('[data-action]')?.setAttribute('data-selected', 'true');
  store.setState({ ...store.getState(), selected: 0 });
}
