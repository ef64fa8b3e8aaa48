using System.Text;
using HotModel.Configuration;
using HotModel.Fit;

namespace HotModel.Fuzz.Targets;

/// <summary>
/// A configuration file, with environment variables in comments "#!NAME=value". Claims: there is a configuration or there
/// are errors, each of one line and with the place in the file or the variable it is about; a configuration written out
/// with all its defaults is read back as the same; what llama-server is told can be made of it, and the preset that is
/// written for it is one that is read without an error.
/// </summary>
internal static class ConfigTarget
{
    private const string File = "/fuzz/hotmodel.toml";
    private const string Home = "HOME";

    private static readonly Dictionary<string, string> OnlyHome = new() { [Home] = "/fuzz/home" };

    public static void Run(byte[] input)
    {
        using var reader = new StreamReader(new MemoryStream(input), Encoding.UTF8);
        string text = reader.ReadToEnd();
        Dictionary<string, string> environment = Environment(text);
        ConfigResult result = ConfigLoader.Parse(text, File, environment);
        Require.That(result.Config is null != (result.Errors.Count == 0));
        string[] lines = text.Split('\n');
        foreach (ConfigError error in result.Errors)
            Place(error, lines, environment);
        foreach (string warning in result.Warnings)
            Require.IsOneLine(warning);
        if (result.Config is not { } config)
            return;
        RoundTrip(config);
        Told(config);
    }

    private static Dictionary<string, string> Environment(string text)
    {
        var environment = new Dictionary<string, string>(OnlyHome);
        foreach (string line in text.Split('\n').Where(line => line.StartsWith("#!", StringComparison.Ordinal)))
        {
            if (line.IndexOf('=', StringComparison.Ordinal) is > 2 and var equals)
                environment[line[2..equals]] = line[(equals + 1)..];
        }
        return environment;
    }

    private static void Place(ConfigError error, string[] lines, Dictionary<string, string> environment)
    {
        Require.IsOneLine(error.Message);
        if (error.Line == 0)
        {
            Require.That(error.Column == 0 && environment.ContainsKey(error.Source));
            return;
        }
        Require.Equal(File, error.Source);
        Require.That(error.Line >= 1 && error.Line <= lines.Length, $"line {error.Line} of {lines.Length}");
        Require.That(error.Column >= 1 && error.Column <= lines[error.Line - 1].Length + 1,
            $"column {error.Column} of line {error.Line}, which has {lines[error.Line - 1].Length}");
    }

    private static void RoundTrip(HotModelConfig config)
    {
        string written = EffectiveToml.Write(config);
        ConfigResult again = ConfigLoader.Parse(written, File, OnlyHome);
        Require.That(again.Config is not null, $"{string.Join('\n', again.Errors)}\n{written}");
        Require.Equal(written, EffectiveToml.Write(again.Config!));
        ConfigDifference difference = ConfigDifference.Between(config, again.Config!);
        Require.That(difference is { Added.Count: 0, Removed.Count: 0, Changed.Count: 0 });
        Require.That(difference is { Settings.Count: 0, NeedRestart.Count: 0 });
    }

    private static void Told(HotModelConfig config)
    {
        foreach (ModelConfig model in config.Models.Values)
        {
            _ = LlamaArguments.Identity(config, model);
            Reckon(model);
        }
        if (config.Llama.BackendMode == BackendMode.Process)
            return;
        _ = LlamaArguments.Router(config, null);
        if (config.Router.ModelsPreset is not null)
            return;
        PresetFile preset = new PresetReader("preset").Read(PresetWriter.Render(config));
        Require.That(preset.Errors.Count == 0, string.Join('\n', preset.Errors));
        foreach (ModelConfig model in config.Models.Values)
        {
            PresetSection? section = preset.Find(model.RouterId);
            Require.That(section is not null);
            Require.Equal(model.Path, section!.Entries.First(entry => entry.Key == "model").Value);
        }
    }

    /// <summary>Whatever the arguments say, there is an estimate or none.</summary>
    private static void Reckon(ModelConfig model)
    {
        var shape = new ModelShape
        {
            Layers = [new(64, 64, true, 0), new(64, 64, false, 0)],
            Tensors = [new("blk.0.attn_q.weight", GgmlType.F16, [64, 64], 0, 8192)],
            TrainedContext = 4096,
            Embedding = 64,
            Vocabulary = 256,
            WindowTokens = 128,
            Heads = 4,
            QueryWidth = 64,
            InnerWidth = 256,
            IsEncoder = false,
            SharesEmbedding = true,
        };
        long? context = LargestContext.Find(shape, FitSettings.Read(model.ExtraArgs), [1L << 30], 1L << 30);
        Require.That(context is null or > 0);
    }
}
