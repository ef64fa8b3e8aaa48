namespace HotModel.Switching;

/// <summary>How long unloading and loading took the last time. Used by the loop.</summary>
internal sealed class SwitchCosts(TimeProvider time)
{
    private long unloadBegan;
    private long loadBegan;

    /// <summary>The model that left; null where the load came after a loss or a failure.</summary>
    public string? Left { get; private set; }
    /// <summary>From the last answer until its memory was back.</summary>
    public TimeSpan? Unload { get; private set; }
    /// <summary>Null where nothing was loaded: running answers did not end in time.</summary>
    public TimeSpan? Load { get; private set; }

    public void Observe(SwitchState before, SwitchState after)
    {
        if (before.Phase == after.Phase)
            return;
        if (before.Phase == SwitchPhase.Settling && Left is not null && Unload is null)
            Unload = time.GetElapsedTime(unloadBegan);
        switch (after.Phase)
        {
            case SwitchPhase.Unloading:
                Left = before is { Phase: SwitchPhase.Ready or SwitchPhase.Draining, Instance: not 0 } ? before.Active : null;
                (Unload, Load) = (null, null);
                unloadBegan = time.GetTimestamp();
                break;
            case SwitchPhase.Loading:
                loadBegan = time.GetTimestamp();
                break;
            case SwitchPhase.Ready when before.Phase == SwitchPhase.Loading:
                Load = time.GetElapsedTime(loadBegan);
                break;
            case SwitchPhase.Ready:
                (Left, Unload, Load) = (null, null, null);
                break;
            case SwitchPhase.Idle or SwitchPhase.Draining or SwitchPhase.Settling or SwitchPhase.BackingOff
                or SwitchPhase.Stopping or SwitchPhase.Stopped:
                break;
        }
    }
}
