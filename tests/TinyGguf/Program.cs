using System.Diagnostics;
using System.Globalization;

namespace TinyGguf;

internal static class Program
{
    private const string Usage = """
        usage: TinyGguf OUT [--layers N] [--embd N] [--ff N] [--heads N] [--kv-heads N]
                            [--vocab N] [--ctx N] [--seed N] [--type f16|q8_0] [--name NAME]
                            [--window N] [--calls-tools] [--infills] [--decides]
               TinyGguf OUT --embeds|--ranks|--hears|--adapts|--recurs|--half-recurs [--seed N] [--name NAME]

        Writes a GGUF with random weights that llama-server loads: a chat model, or an encoder for its --embeddings or
        --reranking, or for a chat model of the standard size the --mmproj that lets it hear or a --lora, or a chat model
        whose layers are recurrent, all or every other one.
        """;

    private static int Main(string[] args)
    {
        if (args.Length == 0 || args[0].StartsWith('-'))
            return Fail(Usage);
        try
        {
            var write = Parse(args[1..]);
            var started = Stopwatch.GetTimestamp();
            write(args[0]);
            var bytes = new FileInfo(args[0]).Length;
            var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{args[0]} {bytes} bytes in {seconds:0.00} s"));
            return 0;
        }
        catch (ArgumentException e)
        {
            return Fail(e.Message);
        }
        catch (IOException e)
        {
            return Fail(e.Message);
        }
    }

    private static Action<string> Parse(string[] options)
    {
        var model = new TinyModel();
        string? kind = null;
        for (var i = 0; i < options.Length; i += 2)
        {
            if (options[i] is "--calls-tools" or "--infills" or "--decides")
            {
                model = options[i--] switch
                {
                    "--calls-tools" => model with { CallsTools = true },
                    "--infills" => model with { Infills = true },
                    _ => model with { Decides = true },
                };
                continue;
            }
            if (options[i] is "--embeds" or "--ranks" or "--hears" or "--adapts" or "--recurs" or "--half-recurs")
            {
                kind = options[i--];
                continue;
            }
            if (i + 1 == options.Length)
                throw new ArgumentException($"{options[i]} needs a value");
            var value = options[i + 1];
            int Number() => int.TryParse(value, CultureInfo.InvariantCulture, out var n)
                ? n : throw new ArgumentException($"not a number: {value}");
            model = options[i] switch
            {
                "--layers" => model with { Layers = Number() },
                "--embd" => model with { Embedding = Number() },
                "--ff" => model with { FeedForward = Number() },
                "--heads" => model with { Heads = Number() },
                "--kv-heads" => model with { KvHeads = Number() },
                "--vocab" => model with { Vocabulary = Number() },
                "--ctx" => model with { Context = Number() },
                "--window" => model with { Window = Number() },
                "--seed" => model with { Seed = Number() },
                "--type" => model with { Type = TensorTypes.Parse(value) },
                "--name" => model with { Name = value },
                _ => throw new ArgumentException($"unknown option {options[i]}\n{Usage}"),
            };
        }
        return kind switch
        {
            null => model.Write,
            "--adapts" => new TinyAdapter { Name = model.Name, Seed = model.Seed }.Write,
            "--hears" => new TinyHearing { Name = model.Name, Seed = model.Seed }.Write,
            "--recurs" or "--half-recurs" =>
                new TinyRecurrent { Name = model.Name, Seed = model.Seed, IsHybrid = kind == "--half-recurs" }.Write,
            _ => new TinyEncoder { Name = model.Name, Seed = model.Seed, Ranks = kind == "--ranks" }.Write,
        };
    }

    private static int Fail(string message)
    {
        Console.Error.WriteLine(message);
        return 2;
    }
}
