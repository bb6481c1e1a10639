import {
  CloseButton,
  Combobox,
  type ComboboxProps,
  InputBase,
  type InputBaseProps,
  ScrollArea,
  useCombobox,
} from '@mantine/core';
import { useMergedRef } from '@mantine/hooks';
import { type ComponentPropsWithRef, type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { asChoices, type Choice, findHits, guessMeant } from './picking.ts';

type Input = InputBaseProps & Omit<ComponentPropsWithRef<'input'>, keyof InputBaseProps | 'size'>;
export type PickerProps = Omit<Input, 'value' | 'onChange' | 'rightSection'> & {
  data: readonly (string | Choice)[];
  value: string | null;
  /** Called with another value than the present one; null only if the picker is `clearable`. */
  onChange: (value: string | null, choice?: Choice) => void;
  /** The name of the present value when it is not among `data`. */
  text?: string | null;
  /** It may be left without a value. */
  clearable?: boolean;
  /** At most so many choices are shown. */
  limit?: number;
  nothingFound?: string;
  drawChoice?: (choice: Choice) => ReactNode;
  comboboxProps?: ComboboxProps;
  isOpenAtFirst?: boolean;
  /** The choices are searched elsewhere: called with what is typed. `data` are its hits, unless it is still `isSearching`. */
  onTyped?: (typed: string) => void;
  isSearching?: boolean;
};

/** Up to so many choices a touch screen shows no keyboard, which would hide them. */
const fewChoices = 8;

/**
 * Picks one of the choices. An open picker shows them all with the present one marked; typing replaces its name and filters, Enter takes
 * the first hit, Escape and leaving restore. Leaving takes what is unmistakable. Enter in an emptied picker takes the value away.
 */
export function Picker(props: PickerProps) {
  const { data, value, onChange, text, clearable = false, limit = 600, nothingFound, drawChoice, ...rest } = props;
  const { comboboxProps, isOpenAtFirst, onTyped, isSearching = false, ref, ...input } = rest;
  const own = useRef<HTMLInputElement>(null);
  const merged = useMergedRef(own, ref);
  const [typed, setTyped] = useState<string | undefined>();
  /** The last choice, whose name a search that goes on does not know any more. */
  const [taken, setTaken] = useState<Choice | undefined>();
  /** Enter was pressed before the search had ended: its first hit is taken. */
  const [isAwaited, setAwaited] = useState(false);
  const [isFocused, setFocused] = useState(false);
  /** What is typed, as soon as it is. */
  const latest = useRef<string | undefined>(undefined);
  const store = useCombobox({
    defaultOpened: isOpenAtFirst,
    // The present value is marked a moment later, and would take the mark of the first hit from somebody who types quickly: Enter took nothing.
    onDropdownOpen: () => {
      if (!latest.current) store.updateSelectedOptionIndex('active', { scrollIntoView: true });
    },
    onDropdownClose: () => store.resetSelectedOption(),
  });

  const choices = asChoices(data);
  const present =
    value === null || value === ''
      ? undefined
      : ([...choices, ...(taken ? [taken] : [])].find((choice) => choice.value === value) ?? {
          value,
          label: text ?? value,
        });
  const isListed = !present || choices.some((choice) => choice.value === present.value);
  const offered = isListed || typed ? choices : [present, ...choices];
  const hits = (onTyped ? offered : findHits(offered, typed)).slice(0, limit);
  // Nobody sees them before: five hundred time zones took 50 ms at each letter that was typed elsewhere on the page.
  const offers = isFocused || store.dropdownOpened ? hits : [];

  const type = (next: string | undefined) => {
    latest.current = next;
    setTyped(next);
    setAwaited(false);
    onTyped?.(next ?? '');
  };
  const restore = () => {
    type(undefined);
    store.closeDropdown();
  };
  const take = (choice: Choice | undefined) => {
    if (choice) setTaken(choice);
    restore();
    const next = choice?.value ?? null;
    if (next !== (present?.value ?? null)) onChange(next, choice);
  };

  // While a person types, Enter takes the first hit, so it is marked.
  const shape = hits.map((hit) => hit.value).join('\n');
  const isTyping = typed !== undefined && typed.trim() !== '';
  // biome-ignore lint/correctness/useExhaustiveDependencies: other hits have another first one
  useEffect(() => {
    if (!isTyping) return;
    if (shape === '' || isSearching) store.resetSelectedOption();
    else store.selectFirstOption();
  }, [isTyping, isSearching, shape, typed]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the end of the search is what is awaited
  useEffect(() => {
    if (!isAwaited || isSearching) return;
    setAwaited(false);
    if (hits[0]) take(hits[0]);
  }, [isAwaited, isSearching]);

  function press(event: KeyboardEvent<HTMLInputElement>): void {
    input.onKeyDown?.(event);
    if (event.defaultPrevented || event.nativeEvent.isComposing || event.keyCode === 229) return;
    const { key, ctrlKey, metaKey, altKey } = event;
    // Whatever is typed first replaces the name of the present value.
    if (typed === undefined && key.length === 1 && !ctrlKey && !metaKey && !altKey) event.currentTarget.select();
    if (key === 'Escape' && typed !== undefined) restore();
    if (key !== 'Enter' || typed === undefined) return;
    if (!isTyping) {
      if (store.getSelectedOptionIndex() >= 0) return; // the arrows have marked one
      event.preventDefault();
      if (clearable) take(undefined);
      else restore();
    } else if (isSearching) {
      event.preventDefault();
      setAwaited(true);
    } else if (hits.length === 0) event.preventDefault(); // what nothing is called must not be sent
  }
  function leave(): void {
    const meant = isSearching ? undefined : guessMeant(hits, typed);
    if (meant) take(meant);
    else restore();
  }

  return (
    <Combobox
      store={store}
      shadow="md"
      disabled={input.disabled}
      onOptionSubmit={(chosen) => take(hits.find((hit) => hit.value === chosen))}
      {...comboboxProps}
    >
      <Combobox.Target targetType="input" withExpandedAttribute>
        <InputBase<'input'>
          autoComplete="off"
          spellCheck={false}
          inputMode={onTyped || choices.length > fewChoices ? undefined : 'none'}
          rightSectionPointerEvents={clearable && present ? 'all' : 'none'}
          {...input}
          ref={merged}
          rightSection={
            clearable && present && !input.disabled ? (
              <CloseButton
                size="xs"
                tabIndex={-1}
                aria-label={`Take ${present.label} away`}
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => take(undefined)}
              />
            ) : (
              <Combobox.Chevron size="xs" />
            )
          }
          value={typed ?? present?.label ?? ''}
          onChange={(event) => {
            type(event.currentTarget.value);
            store.openDropdown();
          }}
          onFocus={(event) => {
            setFocused(true);
            event.currentTarget.select();
            input.onFocus?.(event);
          }}
          onClick={(event) => {
            store.openDropdown();
            if (typed === undefined) event.currentTarget.select();
            input.onClick?.(event);
          }}
          onCompositionStart={(event) => {
            if (typed === undefined) event.currentTarget.select();
          }}
          onKeyDown={press}
          onBlur={(event) => {
            setFocused(false);
            leave();
            input.onBlur?.(event);
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={input.disabled}>
        <Combobox.Options aria-label={typeof input.label === 'string' ? input.label : input['aria-label']}>
          <ScrollArea.Autosize mah={220} type="scroll" scrollbarSize={6}>
            {offers.map((hit) => (
              <Combobox.Option
                key={hit.value}
                value={hit.value}
                active={hit.value === present?.value}
                aria-selected={hit.value === present?.value}
                fw={hit.value === present?.value ? 620 : undefined}
              >
                {drawChoice ? drawChoice(hit) : hit.label}
              </Combobox.Option>
            ))}
            {hits.length === 0 && (
              <Combobox.Empty>{isSearching ? 'Searching…' : (nothingFound ?? 'Nothing is called that')}</Combobox.Empty>
            )}
          </ScrollArea.Autosize>
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
