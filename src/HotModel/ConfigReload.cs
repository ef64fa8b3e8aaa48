using HotModel.Access;
using HotModel.Configuration;
using HotModel.Switching;
using HotModel.Tls;

namespace HotModel;

/// <summary>What became of the new file; names and keys, never values.</summary>
/// <param name="DryRun">Nothing was changed.</param>
/// <param name="Added">Models that can be asked for now.</param>
/// <param name="Removed">Models that are not configured any more.</param>
/// <param name="Changed">Models that are loaded as the new file says from now on.</param>
/// <param name="Waiting">Of the removed and the changed those whose running answers, or whose load, end first.</param>
/// <param name="Settings">Keys whose new values hold now.</param>
/// <param name="NeedsRestart">Keys whose new values hold from the next start of hotmodel on.</param>
/// <param name="Warnings">As hotmodel check gives them.</param>
internal sealed record ReloadReport(
    bool DryRun, IReadOnlyList<string> Added, IReadOnlyList<string> Removed, IReadOnlyList<string> Changed,
    IReadOnlyList<string> Waiting, IReadOnlyList<string> Settings, IReadOnlyList<string> NeedsRestart,
    IReadOnlyList<string> Warnings)
{
    public bool IsEmpty => Added.Count + Removed.Count + Changed.Count + Settings.Count + NeedsRestart.Count == 0;
}

/// <param name="Report">Null: the file is wrong, and nothing was changed.</param>
/// <param name="Errors">Why.</param>
internal sealed record ReloadResult(ReloadReport? Report, IReadOnlyList<string> Errors);

/// <summary>Reads the configuration file again and puts what differs in force: one reload after another.</summary>
/// <param name="live">The configuration in force.</param>
/// <param name="lanes">Where models are loaded.</param>
/// <param name="environment">As at the start.</param>
/// <param name="take">Given what else has to follow: the new configuration and its keys.</param>
/// <param name="identity">The server's certificate; null: it speaks no TLS.</param>
/// <param name="time">The clock.</param>
/// <param name="logger">One line for each reload.</param>
internal sealed class ConfigReload(
    LiveConfig live, ModelLanes lanes, IReadOnlyDictionary<string, string> environment,
    Action<HotModelConfig, ApiKeys> take, TlsIdentity? identity, TimeProvider time, ILogger<ConfigReload> logger) : IDisposable
{
    private const string CertificateKey = "server.tls_certificate";

    private readonly SemaphoreSlim turn = new(1);

    public async Task<ReloadResult> RunAsync(bool isDryRun, CancellationToken cancel)
    {
        await turn.WaitAsync(cancel);
        try
        {
            var current = live.Current;
            var read = ConfigLoader.Load(current.FilePath, environment);
            if (read.Config is not { } wanted)
                return Refuse([.. read.Errors.Select(error => error.ToString())]);
            var difference = ConfigDifference.Between(current, wanted);
            var effective = difference.Effective;
            if (AccessChecks.IsOpen(effective))
            {
                return Refuse([$"{effective.FilePath}: host: {effective.Server.Host} stays until hotmodel is started again, and "
                    + "other machines reach it; keep [keys.NAME] or allow_without_keys = true until then"]);
            }
            ApiKeys keys;
            try
            {
                keys = new ApiKeys(effective.Keys, environment);
            }
            catch (InvalidDataException e)
            {
                return Refuse([$"{effective.FilePath}: {e.Message}"]);
            }
            TlsCertificate? certificate = null;
            if (effective.Server.Tls is { } files
                && !TlsCertificate.TryLoad(files, time.GetUtcNow(), out certificate, out var problem))
                return Refuse([$"{effective.FilePath}: {problem}"]);
            var report = new ReloadReport(isDryRun, difference.Added, difference.Removed, difference.Changed,
                Waiting(difference), SettingsOf(difference, certificate), difference.NeedRestart, read.Warnings);
            if (isDryRun)
            {
                certificate?.Dispose();
                return new(report, []);
            }
            if (certificate is not null)
                identity!.Replace(certificate);
            live.Replace(effective);
            take(effective, keys);
            await lanes.ReconfigureAsync(difference);
            Log(report);
            return new(report, []);
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose() => turn.Dispose();

    private ReloadResult Refuse(IReadOnlyList<string> errors)
    {
        ReloadLog.Refused(logger, string.Join('\n', errors));
        return new(null, errors);
    }

    /// <summary>The files of a certificate are renewed under the same names.</summary>
    private IReadOnlyList<string> SettingsOf(ConfigDifference difference, TlsCertificate? certificate) =>
        certificate is null || identity!.Is(certificate) || difference.Settings.Contains(CertificateKey)
            ? difference.Settings : [.. difference.Settings, CertificateKey];

    private List<string> Waiting(ConfigDifference difference)
    {
        var states = lanes.Picture.Lanes.Select(lane => lane.Loop.State).ToList();
        return [.. difference.Removed.Concat(difference.Changed).Where(model => states.Any(state =>
            (state.InFlight > 0 && state.Active == model)
            || (state.Phase == SwitchPhase.Loading && state.Goal == model)))];
    }

    private void Log(ReloadReport report)
    {
        ReloadLog.Reloaded(logger, List(report.Added), List(report.Removed), List(report.Changed), List(report.Settings));
        if (report.Waiting.Count > 0)
            ReloadLog.Waits(logger, List(report.Waiting));
        if (report.NeedsRestart.Count > 0)
            ReloadLog.NeedsRestart(logger, List(report.NeedsRestart));
        foreach (var warning in report.Warnings)
            ReloadLog.Warning(logger, warning);
    }

    private static string List(IReadOnlyList<string> names) => names.Count == 0 ? "none" : string.Join(", ", names);
}
