using HotModel.Configuration;
using HotModel.Llama;

namespace HotModel;

/// <summary>Makes the backends: each lane has its own log, guard and router, so that no two fight over a file or port.</summary>
/// <param name="config">What is started.</param>
/// <param name="prepare">Called before each start.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">Of everything that is started.</param>
internal sealed class LaneBackends(HotModelConfig config, Action prepare, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly SelfExecutable? self = SelfExecutable.Detect();
    private readonly ChildRecord record = Launcher.OpenRecord(config.Server.StateDirectory, logger);
    private readonly Lock presetGate = new();
    private readonly Dictionary<int, (Launcher Launcher, ChildLog Log)> lanes = [];

    public IBackend Create(int lane, Action<ModelLost> onLost)
    {
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
                    return LlamaArguments.Process(config, model);
                },
                own.Launcher, own.Log, onLost, time, logger)
            {
                Environment = model => LlamaArguments.ProcessEnvironment(config, model),
            };
        }
        return new RouterBackend(
            () =>
            {
                prepare();
                return LaunchRouter(lane);
            },
            own.Launcher, own.Log, new PresetQuarantine(config.Server.StateDirectory, lane), onLost, time, logger);
    }

    public void Dispose()
    {
        foreach (var (launcher, _) in lanes.Values)
            launcher.Dispose();
    }

    /// <summary>A user's preset file is handed on as it is; without one it is written at each start of a router.</summary>
    private RouterLaunch LaunchRouter(int lane)
    {
        var preset = config.Router.ModelsPreset;
        if (preset is null)
        {
            lock (presetGate)
                PresetWriter.Write(config, preset = PresetWriter.PathOf(config));
        }
        // Two routers cannot listen on one port.
        return new RouterLaunch(config.Router.Binary, LlamaArguments.Router(config, preset), config.Router.Host,
            lane == 0 ? config.Router.Port : 0);
    }
}
