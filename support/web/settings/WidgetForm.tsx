import { splitRefusal } from '@aether/ui/faults.ts';
import { Picker } from '@aether/ui/Picker.tsx';
import { Refusal } from '@aether/ui/refusal.ts';
import { showUndo } from '@aether/ui/toasts.tsx';
import { describeDraft, useDraft } from '@aether/ui/useDraft.ts';
import {
  Checkbox,
  Group,
  Input,
  NumberInput,
  SegmentedControl,
  Switch,
  TagsInput,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { wordsOf } from '../../widget/chat/words.ts';
import type { Widget, WidgetChange, WidgetSettings, WidgetTexts } from '../api/records.ts';
import { changeWidget } from '../api/widgets.ts';
import { LanguageSwitch, languages, languagesOf } from './LanguageSwitch.tsx';
import { SaveBar } from './SaveBar.tsx';
import classes from './settings.module.css';
import { WidgetPreview } from './WidgetPreview.tsx';
import { completeValues, findChange, pickValues, setLanguage, type WidgetValues } from './widgetvalues.ts';

/** What is edited, and the widget as it was when that began. */
const begin = (widget: Widget) => ({ begun: widget, values: pickValues(widget) });
const isUnchanged = ({ begun, values }: ReturnType<typeof begin>): boolean =>
  Object.keys(findChange(pickValues(begun), values)).length === 0;

const hoursDefault = 72;

/** The refused fields that have an input of their own. */
const inputs = [
  'name',
  'ends_after_hours',
  'reopens_days',
  'settings.theme.color',
  ...['title', 'subtitle', 'placeholder', 'greeting', 'offline'].flatMap((key) => [
    `settings.texts.${key}`,
    ...languages.map(({ value }) => `settings.translations.${value}.${key}`),
  ]),
];

/** Name, look and words with a preview beside them, and below the parts that are saved on their own. */
export function WidgetForm({ widget, children }: { widget: Widget; children: ReactNode }) {
  const client = useQueryClient();
  const draft = useDraft(`widget:${widget.id}`, begin(widget), isUnchanged);
  const { begun } = draft.value;
  const values = completeValues(draft.value.values);
  const stored = completeValues(pickValues(begun));
  const restart = (from: Widget) => draft.set(begin(from));
  const { theme } = values.settings;
  const spoken = languagesOf(values.settings);
  const [wanted, setWanted] = useState<WidgetSettings['language']>();
  const shown = wanted && spoken.includes(wanted) ? wanted : values.settings.language;
  const isOwn = shown === values.settings.language;
  const texts: WidgetTexts = (isOwn ? values.settings.texts : values.settings.translations[shown]) ?? {};
  const textField = (field: string) => (isOwn ? `settings.texts.${field}` : `settings.translations.${shown}.${field}`);
  const ownWords = wordsOf(shown);
  const written = Object.fromEntries(Object.entries(texts).filter(([, words]) => words));
  const change = findChange(stored, values);
  const isChanged = draft.isThere;
  const fault = values.name.trim() === '' ? 'Write a name.' : undefined;
  const save = async (part: WidgetChange, expected_version: number) => {
    const saved = await changeWidget(widget.id, { ...part, expected_version });
    await client.invalidateQueries({ queryKey: ['widgets'] });
    return saved;
  };
  const saving = useMutation({
    mutationFn: (version: number) => save(change, version),
    onSuccess: (saved) => {
      const before = Object.fromEntries(
        Object.keys(change).map((field) => [field, stored[field as keyof WidgetValues]]),
      ) as WidgetChange;
      showUndo({
        message: `${values.name} was saved. Websites show it within half a minute.`,
        undo: async () => restart(await save(before, saved.version)),
      });
      restart(saved);
    },
    onError: () => client.invalidateQueries({ queryKey: ['widgets'] }),
  });
  const refused = saving.error instanceof Refusal ? Object.keys(saving.error.fields) : [];
  const isOrigin = (field: string) => field.startsWith('allowed_origins');
  const { atFields: errors, rest } = splitRefusal(saving.error, [...inputs, ...refused.filter(isOrigin)]);
  const isConflict = saving.error instanceof Refusal && saving.error.isConflict;
  const set = (part: Partial<WidgetValues>) => {
    if (saving.error) saving.reset();
    draft.change({ values: { ...values, ...part } });
  };
  const setSettings = (part: Partial<WidgetSettings>) => set({ settings: { ...values.settings, ...part } });
  const setText = (part: WidgetTexts) => {
    const written = { ...texts, ...part };
    setSettings(isOwn ? { texts: written } : { translations: { ...values.settings.translations, [shown]: written } });
  };
  return (
    <div className={classes.columns}>
      <div>
        <form
          className={classes.stack}
          aria-label="Widget"
          onSubmit={(event) => {
            event.preventDefault();
            if (isChanged && !fault) saving.mutate(begun.version);
          }}
        >
          <Switch
            size="sm"
            label="Active: visitors can write"
            checked={values.is_active}
            onChange={(event) => set({ is_active: event.currentTarget.checked })}
          />
          <TextInput
            label="Name"
            description="For you; visitors see the title."
            withAsterisk
            maxLength={80}
            value={values.name}
            error={fault ?? errors.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
          />
          <h2 className={classes.title}>Looks</h2>
          <div className={classes.pair}>
            <Input.Wrapper label="Colour" error={errors['settings.theme.color']}>
              <Group gap={8} wrap="nowrap">
                <input
                  type="color"
                  aria-label="Choose the colour"
                  className={classes.color}
                  value={/^#[0-9a-f]{6}$/i.test(theme.color) ? theme.color : '#000000'}
                  onChange={(event) => setSettings({ theme: { ...theme, color: event.currentTarget.value } })}
                />
                <TextInput
                  aria-label="Colour as #rrggbb"
                  value={theme.color}
                  onChange={(event) => setSettings({ theme: { ...theme, color: event.currentTarget.value } })}
                />
              </Group>
            </Input.Wrapper>
            <Picker
              label="Language"
              description="Of what you do not write below"
              inputWrapperOrder={['label', 'input', 'description', 'error']}
              data={languages}
              value={values.settings.language}
              onChange={(language) =>
                set({ settings: setLanguage(values.settings, language as WidgetSettings['language']) })
              }
            />
            <Input.Wrapper label="Light or dark" labelElement="div">
              <SegmentedControl
                fullWidth
                aria-label="Light or dark"
                data={[
                  { value: 'auto', label: 'As the visitor’s' },
                  { value: 'light', label: 'Light' },
                  { value: 'dark', label: 'Dark' },
                ]}
                value={theme.mode}
                onChange={(mode) => setSettings({ theme: { ...theme, mode: mode as typeof theme.mode } })}
              />
            </Input.Wrapper>
            <Input.Wrapper label="Corner" labelElement="div">
              <SegmentedControl
                fullWidth
                aria-label="Corner"
                data={[
                  { value: 'left', label: 'Left' },
                  { value: 'right', label: 'Right' },
                ]}
                value={theme.position}
                onChange={(position) =>
                  setSettings({ theme: { ...theme, position: position as typeof theme.position } })
                }
              />
            </Input.Wrapper>
          </div>
          <Checkbox.Group
            label="It also speaks"
            description="A page says which by data-language in its line. Each has words of its own below."
            value={values.settings.languages}
            onChange={(given) =>
              setSettings({
                languages: given as WidgetSettings['languages'],
                ...(given.length === 0 && { choice: 'fixed' }),
              })
            }
          >
            <Group gap={14} mt={6}>
              {languages
                .filter(({ value }) => value !== values.settings.language)
                .map(({ value, label }) => (
                  <Checkbox key={value} value={value} label={label} />
                ))}
            </Group>
          </Checkbox.Group>
          {spoken.length > 1 && (
            <Checkbox
              label="Where the page does not say it: the language of the visitor’s browser"
              description={`Of those that it speaks; otherwise ${languages.find(({ value }) => value === values.settings.language)?.label}.`}
              checked={values.settings.choice === 'browser'}
              onChange={(event) => setSettings({ choice: event.currentTarget.checked ? 'browser' : 'fixed' })}
            />
          )}
          <h2 className={classes.title}>Words</h2>
          <LanguageSwitch label="Language of the words" spoken={spoken} shown={shown} onShow={setWanted} />
          {(
            [
              ['title', 'Title', 60],
              ['subtitle', 'Below the title', 120],
              ['placeholder', 'In the empty field', 60],
            ] as const
          ).map(([field, label, charactersMax]) => (
            <TextInput
              key={field}
              label={label}
              maxLength={charactersMax}
              placeholder={ownWords[field]}
              value={texts[field] ?? ''}
              error={errors[textField(field)]}
              onChange={(event) => setText({ [field]: event.currentTarget.value || undefined })}
            />
          ))}
          {(
            [
              ['greeting', 'Greeting'],
              ['offline', 'When nobody is online'],
            ] as const
          ).map(([field, label]) => (
            <Textarea
              key={field}
              label={label}
              maxLength={500}
              autosize
              minRows={2}
              placeholder={ownWords[field]}
              value={texts[field] ?? ''}
              error={errors[textField(field)]}
              onChange={(event) => setText({ [field]: event.currentTarget.value || undefined })}
            />
          ))}
          <Checkbox
            label="Ask for name and address before the first message"
            checked={values.settings.ask === 'before'}
            onChange={(event) => setSettings({ ask: event.currentTarget.checked ? 'before' : 'never' })}
          />
          <h2 className={classes.title}>End</h2>
          <Switch
            size="sm"
            label="A conversation in which nobody writes ends by itself"
            checked={values.ends_after_hours !== null}
            onChange={(event) =>
              set({ ends_after_hours: event.currentTarget.checked ? (stored.ends_after_hours ?? hoursDefault) : null })
            }
          />
          <div className={classes.pair}>
            {values.ends_after_hours !== null && (
              <NumberInput
                label="After so many hours"
                description="Not while the visitor waits for an answer. The widget says it a day before."
                min={1}
                max={2_160}
                allowDecimal={false}
                value={values.ends_after_hours}
                error={errors.ends_after_hours}
                onChange={(hours) => set({ ends_after_hours: Number(hours) || 1 })}
              />
            )}
            <NumberInput
              label="Opens again for so many days"
              description="If the visitor writes. Later, and with 0, they begin a new one."
              min={0}
              max={365}
              allowDecimal={false}
              value={values.reopens_days}
              error={errors.reopens_days}
              onChange={(days) => set({ reopens_days: Number(days) || 0 })}
            />
          </div>
          <Checkbox
            label="Ask how it was when a conversation has ended"
            checked={values.settings.asks_rating}
            onChange={(event) => setSettings({ asks_rating: event.currentTarget.checked })}
          />
          <h2 className={classes.title}>Allowed websites</h2>
          <TagsInput
            size="xs"
            label="Allowed origins"
            description="Such as https://shop.example, without a path. Enter ends each one. With none, any website can show this widget."
            placeholder={values.allowed_origins.length === 0 ? 'Any website' : undefined}
            value={values.allowed_origins}
            error={errors.allowed_origins ?? Object.entries(errors).find(([field]) => isOrigin(field))?.[1]}
            onChange={(allowed_origins) => set({ allowed_origins })}
          />
          {isChanged && (
            <SaveBar
              isConflict={isConflict}
              isSaving={saving.isPending}
              canSave={!fault}
              words={rest ?? (saving.error ? undefined : describeDraft(draft))}
              onDiscard={() => {
                saving.reset();
                draft.discard();
              }}
              onOverwrite={() => saving.mutate(widget.version)}
            />
          )}
        </form>
        {children}
      </div>
      <aside className={classes.beside} aria-label="Preview">
        <h2 className={classes.title}>Preview</h2>
        <WidgetPreview theme={theme} words={{ ...ownWords, ...written }} language={shown} />
      </aside>
    </div>
  );
}
