using System.Collections.Immutable;

namespace HotModel.Configuration;

/// <summary>The configuration in force, which a reload replaces. From any thread; a decision reads it once.</summary>
internal sealed class LiveConfig
{
    private sealed record Known(ModelConfig Model, string Command);

    private sealed record Content(
        HotModelConfig Config, ModelNames Names, ImmutableDictionary<string, Known> Models);

    private volatile Content now;

    public LiveConfig(HotModelConfig config) => now = With(ImmutableDictionary<string, Known>.Empty, config);

    public static implicit operator LiveConfig(HotModelConfig config) => new(config);

    public HotModelConfig Current => now.Config;

    public ModelNames Names => now.Names;

    public bool Has(string model) => now.Config.Models.ContainsKey(model);

    /// <summary>As it is configured; one that was removed as it was last, for it may be loaded still.</summary>
    public ModelConfig Model(string name) => now.Models[name].Model;

    /// <summary>What the server of the model is told; another text, another process. Also of one that was removed.</summary>
    public string CommandOf(string model) => now.Models[model].Command;

    public void Replace(HotModelConfig config) => now = With(now.Models, config);

    // It grows with the names that people give to models while the program runs.
    private static Content With(ImmutableDictionary<string, Known> earlier, HotModelConfig config) => new(
        config, new ModelNames(config.Models), earlier.SetItems(config.Models.Values.Select(model =>
            KeyValuePair.Create(model.Name, new Known(model, LlamaArguments.Identity(config, model))))));
}
