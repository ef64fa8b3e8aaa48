using HotModel.Configuration;
using HotModel.Llama;

namespace HotModel;

/// <summary>Makes the backends: each lane has its own log, guard and router, so that no two fight over a file or port.</summary>
/// <param name="live">What is started.</param>
/// <param name="prepare">Called before each start.</param>
/// <param name="environment">Our own, which all that is started has too.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Of everything that is started.</param>
internal sealed class LaneBackends(
    LiveConfig live, Action prepare, IReadOnlyDictionary<string, string> environment, TimeProvider time, ILogger logger)
    : IDisposable
{
    private readonly SelfExecutable? self = SelfExecutable.Detect();
    private readonly ChildRecord record = Launcher.OpenRecord(live.Current.Server.StateDirectory, logger);
    private readonly Lock presetGate = new();
    private readonly Dictionary<int, (Launcher Launcher, ChildLog Log)> lanes = [];

    public IBackend Create(int lane, Action<ModelLost> onLost)
    {
        // These only a start can change.
        var config = live.Current;
        if (!lanes.TryGetValue(lane, out var own))
        {
            var log = new ChildLog(config.Server.StateDirectory, lane);
            lanes.Add(lane, own = (new Launcher(self, log, record, logger), log));
        }
        if (config.Llama.BackendMode == BackendMode.Process)
        {
            return new ProcessBackend(
                model =>
                {
                    prepare();
                    return LlamaArguments.Process(live.Current, model);
                },
                own.Launcher, own.Log, onLost, time, logger)
            {
                Environment = model => LlamaArguments.ProcessEnvironment(live.Current, model, environment),
            };
        }
        var started = "";
        return new RouterBackend(
            () =>
            {
                prepare();
                var now = live.Current;
                started = IdentityOfRouter(now);
                return LaunchRouter(now, lane);
            },
            own.Launcher, own.Log, new PresetQuarantine(config.Server.StateDirectory, lane), onLost, time, logger)
        {
            IsOutdated = () => IdentityOfRouter(live.Current) != started,
        };
    }

    public void Dispose()
    {
        foreach (var (launcher, _) in lanes.Values)
            launcher.Dispose();
    }

    /// <summary>All that a router knows when it has started: another one is needed where this is another text.</summary>
    private static string IdentityOfRouter(HotModelConfig config) => string.Join('\n',
        [
            config.Router.Binary, .. LlamaArguments.Router(config, config.Router.ModelsPreset),
            config.Router.ModelsPreset is null ? PresetWriter.Render(config) : "",
        ]);

    /// <summary>A user's preset file is handed on as it is; without one it is written at each start of a router.</summary>
    private RouterLaunch LaunchRouter(HotModelConfig config, int lane)
    {
        var preset = config.Router.ModelsPreset;
        if (preset is null)
        {
            lock (presetGate)
                PresetWriter.Write(config, preset = PresetWriter.PathOf(config));
        }
        // Two routers cannot listen on one port.
        return new RouterLaunch(config.Router.Binary, LlamaArguments.Router(config, preset), config.Router.Host,
            lane == 0 ? config.Router.Port : 0)
        {
            Environment = LlamaArguments.RouterEnvironment(environment),
        };
    }
}
