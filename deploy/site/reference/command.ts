import { listEndings } from '@aether/cli/exitcodes';
import { listCommands as commandsOf, createProgram } from '@aether/cli/program';
import { code, paragraphs, type ReferencePage, table } from './text.ts';

type Command = ReturnType<typeof createProgram>;

/** The `aether` command: what it says of itself with `--help`. */
export function describeCommand(program = createProgram()): ReferencePage {
  return {
    path: 'reference/command.md',
    text: paragraphs(
      '# The command',
      `${program.description()} This page has all commands of ${code('aether')} with their arguments and options, as ${code('--help')} says them.`,
      'Each command has a table of the numbers that it ends with, which is the one that the code has. A process that a signal has ended is one that a shell sees end with 128 and the number of the signal.',
      describeOptions(program),
      ...program.commands.map((each) => describe(each, 2)),
    ),
  };
}

/** Every command that does something. Pure. */
export const listCommands = (program = createProgram()): string[] =>
  commandsOf(program).map(({ name }) => `aether ${name}`);

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

function describe(command: Command, level: number): string {
  const help = command.createHelp();
  const subs = command.commands;
  const name = nameOf(command);
  const acts = listCommands().includes(name);
  const usage = acts && `\`\`\`sh\n${help.commandUsage(command)}\n\`\`\``;
  return paragraphs(
    `${'#'.repeat(level)} ${name}`,
    sentence(command.description()),
    usage,
    table(
      ['argument', 'meaning'],
      help
        .visibleArguments(command)
        .map((argument) => [code(help.argumentTerm(argument)), help.argumentDescription(argument)]),
    ),
    acts && describeOptions(command),
    acts &&
      table(
        ['ends with', 'when'],
        listEndings(name.replace(/^aether /, '')).map((each) => [String(each.code), each.words]),
      ),
    ...subs.map((each) => describe(each, level + 1)),
  );
}

function describeOptions(command: Command): string {
  const help = command.createHelp();
  const options = help.visibleOptions(command).filter(({ long }) => long !== '--help');
  return table(
    ['option', 'meaning', 'without it'],
    options.map((option) => [
      code(help.optionTerm(option)),
      option.argChoices ? `${option.description}: ${option.argChoices.join(', ')}` : option.description,
      withoutIt(option),
    ]),
  );
}

function withoutIt({ mandatory, defaultValue, defaultValueDescription, envVar }: Command['options'][number]): string {
  if (mandatory) return 'refused';
  const value =
    defaultValue === undefined || defaultValue === false || isEmpty(defaultValue)
      ? undefined
      : (defaultValueDescription ?? (Array.isArray(defaultValue) ? defaultValue.join(',') : String(defaultValue)));
  return [envVar && `${code(envVar)}, if it is set`, value !== undefined && code(value)]
    .filter(Boolean)
    .join('; otherwise ');
}

const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

const sentence = (text: string) =>
  text ? `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}` : '';
