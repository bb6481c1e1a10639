import { createProgram } from '@aether/cli/program';
import { code, paragraphs, type ReferencePage, table } from './text.ts';

type Command = ReturnType<typeof createProgram>;

/** The `aether` command: what it says of itself with `--help`. */
export function describeCommand(program = createProgram()): ReferencePage {
  return {
    path: 'reference/command.md',
    text: paragraphs(
      '# The command',
      `${program.description()} This page has all commands of ${code('aether')} with their arguments and options, as ${code('--help')} says them.`,
      'A command ends with 0 when it has done what it says, and with 1 when it is refused or fails; one sentence on the error output says why. A command that ends with another number, or with 1 although it has done its work, says so below.',
      describeOptions(program),
      ...program.commands.map((each) => describe(each, 2)),
    ),
  };
}

/** Every command that does something. Pure. */
export function listCommands(program = createProgram()): string[] {
  const walk = (command: Command): string[] =>
    command.commands.length > 0 ? command.commands.flatMap(walk) : [nameOf(command)];
  return program.commands.flatMap(walk);
}

function nameOf(command: Command): string {
  return command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name();
}

function describe(command: Command, level: number): string {
  const help = command.createHelp();
  const subs = command.commands;
  const usage = subs.length > 0 ? undefined : `\`\`\`sh\n${help.commandUsage(command)}\n\`\`\``;
  return paragraphs(
    `${'#'.repeat(level)} ${nameOf(command)}`,
    sentence(command.description()),
    usage,
    table(
      ['argument', 'meaning'],
      help
        .visibleArguments(command)
        .map((argument) => [code(help.argumentTerm(argument)), help.argumentDescription(argument)]),
    ),
    subs.length > 0 ? undefined : describeOptions(command),
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
