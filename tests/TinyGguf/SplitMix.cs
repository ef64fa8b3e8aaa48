namespace TinyGguf;

/// <summary>SplitMix64: System.Random's numbers may change between .NET versions, and files must not.</summary>
internal sealed class SplitMix(ulong seed)
{
    private ulong state = seed;

    public ulong Next()
    {
        state += 0x9E3779B97F4A7C15;
        var z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    public int Below(int bound) => (int)(Next() % (uint)bound);

    public float Uniform() => (Next() >> 40) / (float)(1 << 24);

    /// <summary>Close enough to a normal distribution for weights: four uniforms have variance 1/3.</summary>
    public float Normal(float deviation) =>
        (Uniform() + Uniform() + Uniform() + Uniform() - 2f) * deviation * 1.7320508f;
}
